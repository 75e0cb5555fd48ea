/** How long a look at a token may take. */
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { callPatience } from "../../../../src/actors/cryptoki/host/adaptive-timeout.ts"

const least = 10_000

describe("the limit of a call", () => {
  it("is the one of the settings for a token that is quick", () => {
    const patience = callPatience(least)
    expect(patience.limitMs()).toBe(least)
    for (const ms of [1, 50, 2000]) patience.answered(ms)
    expect(patience.limitMs()).toBe(least)
  })

  it("is five times the slowest success", () => {
    const patience = callPatience(least)
    patience.answered(9000)
    patience.answered(10)
    expect(patience.limitMs()).toBe(45_000)
  })

  it("finds out what any token needs that answers within two minutes", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 119_999 }), (neededMs) => {
        const patience = callPatience(least)
        let tries = 0
        while (patience.limitMs() < neededMs) {
          patience.ranOut(patience.limitMs())
          tries += 1
        }
        expect(tries).toBeLessThanOrEqual(4)
      })
    )
  })

  it("stays between that of the settings and two minutes, and never falls", () => {
    const event = fc.record({ answered: fc.boolean(), ms: fc.integer({ min: 0, max: 1_000_000 }) })
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 120_000 }), fc.array(event), (leastMs, events) => {
        const patience = callPatience(leastMs)
        let before = patience.limitMs()
        for (const { answered, ms } of events) {
          if (answered) patience.answered(ms)
          else patience.ranOut(patience.limitMs())
          expect(patience.limitMs()).toBeGreaterThanOrEqual(before)
          expect(patience.limitMs()).toBeLessThanOrEqual(120_000)
          before = patience.limitMs()
        }
      })
    )
  })
})
