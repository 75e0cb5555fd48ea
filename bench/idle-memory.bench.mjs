/** What a connected mapper holds in memory while nothing is to be done, its token host included, against a Node that waits. */
import { spawn } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as pause } from "node:timers/promises"
import { createDevice } from "../scripts/lib/device.mjs"
import { medianOf } from "../scripts/lib/judge.mjs"
import { processesOf } from "../scripts/lib/processes.mjs"

/** After it the start's garbage is gone, as far as Node gives it back. */
const settleMs = 10_000

/** Each of a device of its own. */
const rounds = 6

export const measure = async () => {
  const taken = []
  for (let round = 0; round < rounds; round++) taken.push(await measureOnce())
  return Object.entries(names).map(([what, name]) => {
    const of = (key) => taken.map((one) => one[key])
    return {
      what,
      value: mebibytes(medianOf(of(name))),
      against: `node that waits, ${mebibytes(medianOf(of("bare")))}`,
      samples: taken.map((one) => one[name] / one.bare)
    }
  })
}

const names = {
  "tedge-mapper c8y, connected and idle, memory": "bin/tedge-mapper",
  "its token host": "tedge-token-host"
}

const measureOnce = async () => {
  const dir = mkdtempSync(join(tmpdir(), "tedge-bench-"))
  const waiting = spawn(process.execPath, ["-e", "setInterval(() => {}, 1e9)"], { stdio: "ignore" })
  try {
    return await withDevice(dir, waiting.pid)
  } finally {
    waiting.kill()
    rmSync(dir, { recursive: true, force: true })
  }
}

const withDevice = async (dir, waiting) => {
  const device = await createDevice({ dir, deviceId: "idle-device" })
  try {
    const { code, stderr } = await device.tedge(["connect", "c8y"])
    if (code !== 0) throw new Error(stderr)
    await pause(settleMs)
    const used = (name) => {
      const pid = processesOf(dir).find(
        ({ command }) => command.includes(name) && !command.includes("service-runner")
      )?.pid
      if (pid === undefined) throw new Error(`${name} does not run`)
      return residentKiB(pid)
    }
    const found = Object.fromEntries(Object.values(names).map((name) => [name, used(name)]))
    return { bare: residentKiB(waiting), ...found }
  } finally {
    await device.close()
  }
}

/** VmRSS. */
const residentKiB = (pid) => Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1])

const mebibytes = (kib) => `${(kib / 1024).toFixed(0)} MiB`
