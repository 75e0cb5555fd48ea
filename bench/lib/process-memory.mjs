/** What processes hold, and a Node that waits to compare them with. Source: proc(5), smaps_rollup. */
import { spawn } from "node:child_process"
import { readFileSync } from "node:fs"
import { setTimeout as pause } from "node:timers/promises"

/** In KiB, of all of them. `own`: what no other process shares (USS). */
export const memoryOf = (pids) => {
  const sum = { own: 0, rss: 0 }
  for (const pid of pids) {
    const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8")
    const kib = (name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)?.[1])
    sum.own += kib("Private_Clean") + kib("Private_Dirty")
    sum.rss += kib("Rss")
  }
  return sum
}

export const childrenOf = (pid) =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean).map(Number)

/** Own memory and RSS of `node` with nothing to do. */
export const bareNode = async (settleMs = 2000) => {
  const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1e9)"], {
    env: withoutExtraCertificates(),
    stdio: "ignore"
  })
  await pause(settleMs)
  const memory = memoryOf([child.pid])
  child.kill("SIGKILL")
  return memory
}

/** Reading a file of extra certificates is Node's own cost, not ours. */
export const withoutExtraCertificates = (env = process.env) =>
  Object.fromEntries(Object.entries(env).filter(([name]) => name !== "NODE_EXTRA_CA_CERTS"))

/** An idle process looks every 10 s, and gives back at three looks. */
export const idleMs = 45_000

/** A row for own memory and one for RSS, both against a bare Node. `taken`: memories; limits are ratios. */
export const memoryRows = (what, taken, bare, limits) =>
  [
    ["own", "own memory"],
    ["rss", "RSS"]
  ]
    .filter(([key]) => limits[key] !== undefined)
    .map(([key, name]) => ({
      what: `${what}, ${name}`,
      value: `${(middle(taken.map((one) => one[key])) / 1024).toFixed(1)} MiB`,
      against: `node that waits, ${(bare[key] / 1024).toFixed(1)} MiB`,
      samples: taken.map((one) => one[key] / bare[key]),
      limit: limits[key]
    }))

const middle = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]
