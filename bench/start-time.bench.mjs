/** How long a command takes to start, answer and end, against a Node that does nothing. Medians, taken in turns. */
import { spawnSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { executable } from "../scripts/lib/device.mjs"

const rounds = 21

export const measure = () => {
  const dir = mkdtempSync(join(tmpdir(), "tedge-bench-"))
  writeFileSync(join(dir, "tedge.toml"), '[c8y]\nurl = "localhost"\n')
  const tedge = executable("tedge")
  const commands = {
    "node -e 0": ["-e", "0"],
    "tedge config get": [tedge, "--config-dir", dir, "config", "get", "c8y.url"],
    "tedge --version": [tedge, "--version"],
    "tedge --help": [tedge, "--help"]
  }
  const times = Object.fromEntries(Object.keys(commands).map((name) => [name, []]))
  try {
    for (let round = 0; round < rounds; round++)
      for (const [name, args] of Object.entries(commands)) times[name].push(timed(args))
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
  const bare = median(times["node -e 0"])
  const limits = { "tedge config get": 1.5, "tedge --help": 3.5 }
  return Object.keys(commands)
    .slice(1)
    .map((name) => ({
      what: `${name}, start to end`,
      value: `${median(times[name]).toFixed(0)} ms`,
      against: `node -e 0, ${bare.toFixed(0)} ms`,
      ratio: median(times[name]) / bare,
      limit: limits[name]
    }))
}

/** Reading a file of extra certificates is Node's own cost, not ours. */
const env = { ...process.env }
delete env.NODE_EXTRA_CA_CERTS

const timed = (args) => {
  const started = performance.now()
  const { status, stderr } = spawnSync(process.execPath, args, { env, encoding: "utf8" })
  if (status !== 0) throw new Error(`${args.join(" ")} ended with exit code ${status}: ${stderr}`)
  return performance.now() - started
}

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]
