import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { afterFailure, type BackOffSettings, noFailures } from "../../../../src/actors/mqtt/link/back-off.ts"

const settings = fc
  .record({
    initialMs: fc.integer({ min: 1, max: 60_000 }),
    maximumMs: fc.integer({ min: 1, max: 3_600_000 }),
    resetAfterMs: fc.integer({ min: 1, max: 600_000 })
  })
  .map((drawn): BackOffSettings => drawn)

const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })

const failures = fc.array(
  fc.record({
    heldMs: fc.integer({ min: 0, max: 1_200_000 }),
    retryTrigger: fc.constantFrom("time" as const, "person" as const),
    random: chance
  }),
  { minLength: 1, maxLength: 200 }
)

const bounds = { initialMs: 5_000, maximumMs: 600_000, resetAfterMs: 300_000 }

describe("the pause before the next attempt", () => {
  it("never exceeds the maximum, and counts failures until a connection has held", () =>
    fc.assert(
      fc.property(settings, failures, (drawn, series) => {
        let before = noFailures
        for (const { random, ...failed } of series) {
          const after = afterFailure(drawn, before, failed, random)
          expect(after.waitMs).toBeLessThanOrEqual(drawn.maximumMs)
          if (failed.heldMs === 0) expect(after.failures).toBe(before.failures + 1)
          else if (failed.heldMs >= drawn.resetAfterMs) expect(after.failures).toBe(1)
          else expect(after.failures).toBeLessThanOrEqual(before.failures + 1)
          before = after
        }
      })
    ))

  it("is anywhere in the maximum's upper half after a long outage, not at its end", () =>
    fc.assert(
      fc.property(settings, chance, (drawn, random) => {
        let now = noFailures
        for (let n = 0; n < 40; n++) now = afterFailure(drawn, now, { heldMs: 0, retryTrigger: "time" }, 0.999)
        now = afterFailure(drawn, now, { heldMs: 0, retryTrigger: "time" }, random)
        expect(now.waitMs).toBe(Math.round(drawn.maximumMs * (0.5 + random / 2)))
      })
    ))

  it("begins between half and all of the initial interval, and doubles", () => {
    const first = afterFailure(bounds, noFailures, { heldMs: 0, retryTrigger: "time" }, 0)
    const second = afterFailure(bounds, first, { heldMs: 0, retryTrigger: "time" }, 0.5)
    expect([first.waitMs, second.waitMs]).toEqual([2_500, 7_500])
  })

  it("is half a minute at most for a connection that was established, however often it flapped before", () => {
    let now = noFailures
    const waits: Array<number> = []
    for (let n = 0; n < 12; n++) {
      now = afterFailure(bounds, now, { heldMs: 1_000, retryTrigger: "time" }, 0.999)
      waits.push(Math.round(now.waitMs / 1_000))
    }
    expect(waits).toEqual([5, 10, 20, ...Array.from({ length: 9 }, () => 30)])
  })

  it("goes on doubling from there while the broker cannot be reached", () => {
    let now = noFailures
    for (let n = 0; n < 12; n++) now = afterFailure(bounds, now, { heldMs: 1_000, retryTrigger: "time" }, 0.5)
    const dialled = afterFailure(bounds, now, { heldMs: 0, retryTrigger: "time" }, 0.999)
    expect(dialled.waitMs).toBeLessThanOrEqual(80_000)
    expect(afterFailure(bounds, dialled, { heldMs: 0, retryTrigger: "time" }, 0.999).waitMs).toBeGreaterThan(80_000)
  })

  it("after an outage is short again as soon as a connection was established", () => {
    let now = noFailures
    for (let n = 0; n < 50; n++) now = afterFailure(bounds, now, { heldMs: 0, retryTrigger: "time" }, 0.5)
    expect(afterFailure(bounds, now, { heldMs: 1_000, retryTrigger: "time" }, 0.999).waitMs).toBeLessThanOrEqual(30_000)
  })

  it("stays short while a token is missing, and forgets nothing of what was before", () =>
    fc.assert(
      fc.property(settings, failures, (drawn, series) => {
        let before = noFailures
        for (const { random, ...failed } of series) {
          const withoutToken = afterFailure(drawn, before, failed, random)
          const missing = afterFailure(drawn, before, { heldMs: 0, retryTrigger: "token" }, random)
          expect(missing.waitMs).toBeLessThanOrEqual(Math.min(30_000, drawn.initialMs, drawn.maximumMs))
          expect(afterFailure(drawn, missing, failed, random)).toEqual(withoutToken)
          before = withoutToken
        }
      })
    ))

  it("is a minute or so when a person has to do something first", () => {
    const waited = afterFailure(bounds, noFailures, { heldMs: 0, retryTrigger: "person" }, 0.5)
    expect(waited.waitMs).toBe(45_000)
  })
})
