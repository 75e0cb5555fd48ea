/** What connected mappers and their token hosts hold in memory while nothing is to be done, against a Node that waits. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as pause } from "node:timers/promises"
import { createDevice } from "../scripts/lib/device/device.mjs"
import { processesOf } from "../scripts/lib/processes.mjs"
import { bareNode, childrenOf, idleMs, memoryOf, memoryRows } from "./lib/process-memory.mjs"

/** All devices are idle at the same time. */
const sizes = { full: { devices: 3, idleMs }, smoke: { devices: 1, idleMs: 0, settleMs: 200 } }

export const measure = async ({ effort = "full" }) => {
  const size = sizes[effort]
  delete process.env.NODE_EXTRA_CA_CERTS
  const opened = []
  try {
    for (let n = 0; n < size.devices; n++) opened.push(await connectedDevice(opened))
    await pause(size.idleMs)
    const bare = await bareNode(size.settleMs)
    const mappers = opened.map(({ dir }) => mapperOf(dir))
    const taken = (pids) => pids.map((pid) => memoryOf([pid]))
    return [
      ...memoryRows("tedge-mapper c8y, connected and idle", taken(mappers), bare, { own: 3, rss: 1.6 }),
      ...memoryRows("its token host", taken(mappers.flatMap(childrenOf)), bare, { own: 1.5 })
    ]
  } finally {
    for (const { dir, device } of opened) {
      await device?.close()
      rmSync(dir, { recursive: true, force: true })
    }
  }
}

const connectedDevice = async (opened) => {
  const dir = mkdtempSync(join(tmpdir(), "tedge-bench-"))
  const device = await createDevice({ dir, deviceId: `idle-device-${opened.length}` })
  const { code, stderr } = await device.tedge(["connect", "c8y"])
  if (code !== 0) throw new Error(stderr)
  return { dir, device }
}

const mapperOf = (dir) => {
  const found = processesOf(dir).find(
    ({ command }) => command.includes("bin/tedge-mapper") && !command.includes("service-runner")
  )
  if (found === undefined) throw new Error("tedge-mapper does not run")
  return found.pid
}
