/** docs/reconnecting.md holds the table; `npx vitest run test/actors/mqtt/link/reconnect-simulation.test.ts -u` writes it anew. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { returnAfter } from "./reconnect-simulation.ts"

const outages = [
  ["1 minute", 60],
  ["10 minutes", 600],
  ["1 hour", 3_600],
  ["8 hours", 28_800]
] as const

const sizes = [1_000, 10_000, 100_000] as const

const words = (count: number): string => String(count).replace(/\B(?=(\d{3})+$)/g, ",")

describe("devices that lost their cloud in the same second", () => {
  it("come back at most one in a hundred per second after 8 hours", () => {
    expect(returnAfter(10_000, 28_800).busiestSecond).toBeLessThanOrEqual(100)
  })

  it("come back as the page says", () => {
    const page = readFileSync(join(import.meta.dirname, "../../../../docs/reconnecting.md"), "utf8")
    const rows = outages.map(([name, seconds]) => {
      const peaks = sizes.map((devices) => returnAfter(devices, seconds))
      // Devices are independent: a million are ten times as many, and their busiest second no more than ten times.
      const million = 10 * (peaks.at(-1)?.busiestSecond ?? 0)
      const cells = [...peaks.map(({ busiestSecond }) => words(busiestSecond)), words(million)]
      return `| ${name} | ${cells.join(" | ")} | ${words(peaks.at(-1)?.lastAfterS ?? 0)} s |`
    })
    for (const row of rows) expect(page.replaceAll(/ +/g, " ")).toContain(row)
  })
})
