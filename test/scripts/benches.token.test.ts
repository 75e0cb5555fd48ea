/** Each measurement of bench/ runs, with one sample of little, and fails when a program that it starts does. */
import { readdirSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { run } from "../../scripts/lib/run.mjs"

const suffix = ".bench.mjs"
const names = readdirSync("bench").flatMap((file) => (file.endsWith(suffix) ? [file.slice(0, -suffix.length)] : []))

/** They run beside each other, so each takes as long as all. */
const limitMs = 360_000

const measured = (...args: Array<string>) =>
  run(process.execPath, [join(import.meta.dirname, "measure-once.mjs"), ...args], { timeoutMs: limitMs - 20_000 })

describe.concurrent("a measurement", { timeout: limitMs }, () => {
  it.each(names)("%s answers rows with numbers", async (name) => {
    const { stdout, stderr, code } = await measured(name)
    expect({ stderr, code }).toEqual({ stderr: "", code: 0 })
    const rows = JSON.parse(stdout)
    expect(rows.length).toBeGreaterThan(0)
    for (const row of rows) {
      expect(row).toEqual({
        what: expect.any(String),
        value: expect.stringMatching(/\d/),
        against: expect.stringMatching(/\w/),
        samples: expect.arrayContaining([expect.any(Number)]),
        ...("limit" in row && { limit: expect.any(Number) })
      })
      // What is not finite is null in JSON.
      expect(row.samples).not.toContain(null)
      expect(`${row.what} ${row.value} ${row.against}`).not.toMatch(/undefined|NaN|Infinity/)
    }
  })

  it.each(["bridge", "library", "start-time", "tls"])("%s fails with the programs it starts", async (name) => {
    const { stdout, code } = await measured(name, "/bin/false")
    expect({ stdout, code }).toEqual({ stdout: "", code: 1 })
  })
})
