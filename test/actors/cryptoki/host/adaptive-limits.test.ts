/** How long a look at a token may take. */
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { adaptiveTimeout } from "../../../../src/actors/cryptoki/host/adaptive-limits.ts"

const least = 10_000

describe("the limit of a call", () => {
  it("is the one of the settings for a token that is quick", () => {
    const timeout = adaptiveTimeout(least)
    expect(timeout.limitMs()).toBe(least)
    for (const ms of [1, 50, 2000]) timeout.answered(ms)
    expect(timeout.limitMs()).toBe(least)
  })

  it("is five times the slowest success", () => {
    const timeout = adaptiveTimeout(least)
    timeout.answered(9000)
    timeout.answered(10)
    expect(timeout.limitMs()).toBe(45_000)
  })

  it("finds out what any token needs that answers within two minutes", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 119_999 }), (neededMs) => {
        const timeout = adaptiveTimeout(least)
        let tries = 0
        while (timeout.limitMs() < neededMs) {
          timeout.ranOut(timeout.limitMs())
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
        const timeout = adaptiveTimeout(leastMs)
        let before = timeout.limitMs()
        for (const { answered, ms } of events) {
          if (answered) timeout.answered(ms)
          else timeout.ranOut(timeout.limitMs())
          expect(timeout.limitMs()).toBeGreaterThanOrEqual(before)
          expect(timeout.limitMs()).toBeLessThanOrEqual(120_000)
          before = timeout.limitMs()
        }
      })
    )
  })
})
