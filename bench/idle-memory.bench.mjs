/** What a connected mapper holds in memory while nothing is to be done, its token host included, against a Node that waits. */
import { spawn } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as pause } from "node:timers/promises"
import { createDevice } from "../scripts/lib/device.mjs"
import { processesOf } from "../scripts/lib/processes.mjs"

/** After it the start's garbage is gone, as far as Node gives it back. */
const settleMs = 10_000

export const measure = async () => {
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
    const bare = residentKiB(waiting)
    const row = (what, name) => {
      const pid = processesOf(dir).find(
        ({ command }) => command.includes(name) && !command.includes("service-runner")
      )?.pid
      if (pid === undefined) throw new Error(`${name} does not run`)
      const used = residentKiB(pid)
      return { what, value: mebibytes(used), against: `node that waits, ${mebibytes(bare)}`, ratio: used / bare }
    }
    return [
      row("tedge-mapper c8y, connected and idle, memory", "bin/tedge-mapper"),
      row("its token host", "token-host.cjs")
    ]
  } finally {
    await device.close()
  }
}

/** VmRSS. */
const residentKiB = (pid) => Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1])

const mebibytes = (kib) => `${(kib / 1024).toFixed(0)} MiB`
