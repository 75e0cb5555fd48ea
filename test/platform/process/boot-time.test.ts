/** Pauses that are kept in files. */
import { Effect } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { bootMomentNow, leftOfPause } from "../../../src/platform/process/boot-time.ts"
import { withRuntimeClock } from "../../../src/runtime/primitives/runtime-clock.ts"

const at = (bootMs: number, bootId = "a") => ({ bootId, bootMs })

describe("a pause that began at a moment of a boot", () => {
  it("is over when its time has passed, in the same boot", () => {
    expect(leftOfPause(at(1000), 5000, at(4000))).toBe(2000)
    expect(leftOfPause(at(1000), 5000, at(6000))).toBe(0)
    expect(leftOfPause(at(1000), 5000, at(60_000))).toBe(0)
  })

  it("starts anew in another boot, when the uptime went back, and where boots have no id", () => {
    expect(leftOfPause(at(1000), 5000, at(600_000, "b"))).toBe(5000)
    expect(leftOfPause(at(600_000), 5000, at(1000))).toBe(5000)
    expect(leftOfPause(at(1000, ""), 5000, at(6000, ""))).toBe(5000)
  })

  it("never is longer than it was, nor below nothing", () => {
    const ms = fc.double({ min: 0, max: 1e12, noNaN: true })
    const id = fc.constantFrom("a", "b", "")
    fc.assert(
      fc.property(ms, id, ms, ms, id, (began, beganId, pauseMs, now, nowId) => {
        const left = leftOfPause(at(began, beganId), pauseMs, at(now, nowId))
        expect(left).toBeGreaterThanOrEqual(0)
        expect(left).toBeLessThanOrEqual(pauseMs)
      })
    )
  })
})

describe("the present moment", () => {
  it("has the id of this boot, and goes forward", async () => {
    const [one, two] = await Effect.runPromise(withRuntimeClock(Effect.all([bootMomentNow, bootMomentNow])))
    expect(one?.bootId).toMatch(/^[0-9a-f-]{36}$/)
    expect(two?.bootId).toBe(one?.bootId)
    expect(two?.bootMs).toBeGreaterThanOrEqual(one?.bootMs ?? Number.POSITIVE_INFINITY)
  })
})
