/** The table of docs/performance.md is replaced as a whole, and the page has a place for it. */
import { readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { withMeasurements } from "../../scripts/lib/bench/performance-page.mjs"

const page = readFileSync(new URL("../../docs/performance.md", import.meta.url), "utf8")
const rows = [
  { what: "a", value: "2 µs", against: "1 µs", median: 2, limit: 4 },
  { what: "b", value: "3 MiB", against: "Node, 2 MiB", median: 1.501 }
]

describe("docs/performance.md", () => {
  it("gets the measured table in place of the one it has, and keeps the rest", () => {
    const written = withMeasurements(page, "Measured today.", rows)
    expect(written).toContain("\n\nMeasured today.\n\n| measured | value | against | ratio | at most |\n")
    expect(written).toContain("\n| a | 2 µs | 1 µs | 2.00 | 4 |\n| b | 3 MiB | Node, 2 MiB | 1.50 |  |\n\n<!-- end")
    expect(written.split("| measured |")).toHaveLength(2)
    expect(written.split("<!--")[0]).toBe(page.split("<!--")[0])
    expect(written.split("-->").at(-1)).toBe(page.split("-->").at(-1))
    expect(withMeasurements(written, "Measured today.", rows)).toBe(written)
  })

  it("is not written where the place for the table is gone", () => {
    expect(() => withMeasurements("# Performance\n", "", [])).toThrow("has no place for the measurements")
  })
})
