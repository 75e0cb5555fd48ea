/** How long a command takes to start, answer and end, against a Node that does nothing. Medians, taken in turns. */
import { spawnSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { executable } from "../scripts/lib/device.mjs"
import { medianOf, sampled } from "../scripts/lib/judge.mjs"

export const measure = async () => {
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
    // All in turn, until the noisiest of them is known well enough.
    await sampled(
      () => {
        for (const [name, args] of Object.entries(commands)) times[name].push(timed(args))
        return ratios(times, "tedge --version").at(-1)
      },
      { least: 21 }
    )
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
  const bare = medianOf(times["node -e 0"])
  const limits = { "tedge config get": 1.5, "tedge --help": 3.5 }
  return Object.keys(commands)
    .slice(1)
    .map((name) => ({
      what: `${name}, start to end`,
      value: `${medianOf(times[name]).toFixed(0)} ms`,
      against: `node -e 0, ${bare.toFixed(0)} ms`,
      samples: ratios(times, name),
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

const ratios = (times, name) => times[name].map((time, round) => time / times["node -e 0"][round])
