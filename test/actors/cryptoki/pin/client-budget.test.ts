/** How often a client of the signing service may be wrong. */
import fc from "fast-check"
import { expect, it } from "vitest"
import {
  afterRight,
  afterWrong,
  type ClientCounts,
  parseCounts,
  pauseLeft,
  printCounts
} from "../../../../src/actors/cryptoki/pin/client-budget.ts"

const at = (bootMs: number, bootId = "b") => ({ bootId, bootMs })
const minutes = (count: number) => count * 60_000
const wrong = (times: number, client = "1001", before: ClientCounts = new Map()): ClientCounts => {
  let counts = before
  for (let n = 0; n < times; n++) counts = afterWrong(counts, client, at(0)).counts
  return counts
}

it("three wrong PINs are looked at, then none for 1, 2, 4 … 60 minutes, with one between the pauses", () => {
  expect(pauseLeft(wrong(2), "1001", at(0))).toBe(0)
  const pauses = [1, 2, 4, 8, 16, 32, 60, 60]
  pauses.forEach((pause, index) => {
    const counts = wrong(3 + index)
    expect(pauseLeft(counts, "1001", at(minutes(pause) - 1))).toBe(1)
    expect(pauseLeft(counts, "1001", at(minutes(pause)))).toBe(0)
  })
})

it("a right one starts the count again, for this client only", () => {
  const counts = wrong(3, "1002", wrong(2))
  expect(afterRight(counts, "1001")?.has("1001")).toBe(false)
  expect(pauseLeft(afterRight(counts, "1001") ?? counts, "1002", at(0))).toBe(minutes(1))
  expect(afterRight(counts, "1003")).toBeUndefined()
})

it("many user ids do not have many tries", () => {
  let counts: ClientCounts = new Map()
  let looked = 0
  for (let uid = 100_000; uid < 105_000; uid++)
    for (let n = 0; n < 3; n++) {
      if (pauseLeft(counts, String(uid), at(0)) > 0) continue
      looked += 1
      counts = afterWrong(counts, String(uid), at(0)).counts
    }
  expect(looked).toBeLessThanOrEqual(65 * 3)
  expect(counts.size).toBeLessThanOrEqual(65)
})

it("counts are read back as they were written; what is none counts nothing; another boot starts pauses anew", () => {
  const counts = wrong(4)
  expect(parseCounts(printCounts(counts), at(5))).toEqual(counts)
  expect(parseCounts(undefined, at(0)).size).toBe(0)
  expect(pauseLeft(parseCounts(printCounts(counts), at(7, "c")), "1001", at(7, "c"))).toBe(minutes(2))
  fc.assert(fc.property(fc.string(), (text) => parseCounts(text, at(0)).size === 0))
  fc.assert(fc.property(fc.json(), (text) => parseCounts(text, at(0)).size >= 0))
})
