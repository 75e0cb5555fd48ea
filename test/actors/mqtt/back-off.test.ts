import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { afterFailure, type BackOffSettings, noFailures } from "../../../src/actors/mqtt/back-off.ts"

const settings = fc
  .record({
    initialMs: fc.integer({ min: 1, max: 60_000 }),
    maximumMs: fc.integer({ min: 1, max: 3_600_000 }),
    resetAfterMs: fc.integer({ min: 1, max: 600_000 })
  })
  .map((drawn): BackOffSettings => drawn)

const failures = fc.array(
  fc.record({
    heldMs: fc.integer({ min: 0, max: 1_200_000 }),
    cure: fc.constantFrom("time" as const, "person" as const),
    random: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
  }),
  { minLength: 1, maxLength: 200 }
)

describe("the pause before the next attempt", () => {
  it("never shrinks until a connection has held, never exceeds the maximum, and starts over after that", () =>
    fc.assert(
      fc.property(settings, failures, (bounds, series) => {
        let before = noFailures
        for (const { random, ...failed } of series) {
          const after = afterFailure(bounds, before, failed, random)
          const startsOver = failed.heldMs >= bounds.resetAfterMs
          expect(after.waitMs).toBeLessThanOrEqual(bounds.maximumMs)
          if (!startsOver) expect(after.waitMs).toBeGreaterThanOrEqual(before.waitMs)
          expect(after.failures).toBe(startsOver ? 1 : before.failures + 1)
          before = after
        }
      })
    ))

  it("reaches the maximum's upper half, whatever chance says", () =>
    fc.assert(
      fc.property(settings, fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (bounds, random) => {
        let now = noFailures
        for (let n = 0; n < 40; n++) now = afterFailure(bounds, now, { heldMs: 0, cure: "time" }, random)
        expect(now.waitMs).toBeGreaterThanOrEqual(Math.floor(bounds.maximumMs / 2))
      })
    ))

  it("begins between half and all of the initial interval, and doubles", () => {
    const bounds = { initialMs: 5_000, maximumMs: 600_000, resetAfterMs: 300_000 }
    const first = afterFailure(bounds, noFailures, { heldMs: 0, cure: "time" }, 0)
    const second = afterFailure(bounds, first, { heldMs: 0, cure: "time" }, 0.5)
    expect([first.waitMs, second.waitMs]).toEqual([2_500, 7_500])
  })

  it("stays short while a token is missing, and forgets nothing of what was before", () =>
    fc.assert(
      fc.property(settings, failures, (bounds, series) => {
        let before = noFailures
        for (const { random, ...failed } of series) {
          const withoutToken = afterFailure(bounds, before, failed, random)
          const missing = afterFailure(bounds, before, { heldMs: 0, cure: "token" }, random)
          expect(missing.waitMs).toBeLessThanOrEqual(Math.min(30_000, bounds.initialMs, bounds.maximumMs))
          expect(afterFailure(bounds, missing, failed, random)).toEqual(withoutToken)
          before = withoutToken
        }
      })
    ))

  it("is a minute or so when a person has to do something first", () => {
    const bounds = { initialMs: 5_000, maximumMs: 600_000, resetAfterMs: 300_000 }
    const waited = afterFailure(bounds, noFailures, { heldMs: 0, cure: "person" }, 0.5)
    expect(waited.waitMs).toBe(45_000)
  })
})
