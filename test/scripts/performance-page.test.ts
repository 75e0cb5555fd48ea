/** The table of one measurement in docs/performance.md is replaced as a whole, and each measurement has a place there. */
import { readdirSync, readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { withMeasurement } from "../../scripts/lib/bench/performance-page.mjs"

const page = readFileSync(new URL("../../docs/performance.md", import.meta.url), "utf8")
const suffix = ".bench.mjs"
const names = readdirSync(new URL("../../bench", import.meta.url)).flatMap((file) =>
  file.endsWith(suffix) ? [file.slice(0, -suffix.length)] : []
)
const rows = [
  { what: "a", value: "2 µs", against: "1 µs", interval: { median: 2, low: 1.9, high: 2.104, n: 9 }, limit: 4 },
  { what: "b", value: "3 MiB", against: "Node, 2 MiB", interval: { median: 1.501, low: 1.501, high: 1.501, n: 1 } }
]

describe("docs/performance.md", () => {
  it.each(names)("gets the table of %s in place of the one it has, and keeps the rest", (name) => {
    const written = withMeasurement(page, name, "Measured today.", rows)
    const [begin, end] = [`<!-- measured: ${name} -->`, `<!-- end of ${name} -->`]
    const table = written.slice(written.indexOf(begin) + begin.length, written.indexOf(end))
    expect(table).toBe(
      "\n\nMeasured today.\n\n| measured | value | against | ratio | 95 % interval | at most |\n" +
        "| --- | --- | --- | --- | --- | --- |\n" +
        "| a | 2 µs | 1 µs | 2.00 | 1.90 to 2.10 | 4 |\n| b | 3 MiB | Node, 2 MiB | 1.50 | 1.50 to 1.50 |  |\n\n"
    )
    expect(written.split(begin)[0]).toBe(page.split(begin)[0])
    expect(written.split(end)[1]).toBe(page.split(end)[1])
  })

  it("is not written for a measurement that has no place in it", () => {
    expect(() => withMeasurement(page, "nothing", "", [])).toThrow("has no place for nothing")
  })
})
