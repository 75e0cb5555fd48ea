/** Time limits that share one sleeper. */
import { Clock, Effect } from "effect"
import { expect, it } from "vitest"
import { timeLimits } from "../../../src/runtime/primitives/deadlines.ts"
import { passTime, withTestClock } from "../../../src/testing/test-clock.ts"

it("a time limit is told when it has passed, each at its time, unless it was cancelled", () =>
  withTestClock(
    Effect.gen(function* () {
      const times = yield* timeLimits
      const late: Array<string> = []
      times.start(3000, () => late.push("three"))
      times.start(1000, () => late.push("one"))
      const cancelled = times.start(2000, () => late.push("two"))
      yield* passTime("1500 millis")
      expect(late).toEqual(["one"])
      cancelled.cancel()
      yield* passTime("10 seconds")
      expect(late).toEqual(["one", "three"])
      times.start(500, () => times.run(Effect.sync(() => void late.push("again"))))
      yield* passTime("1 second")
      expect(late).toEqual(["one", "three", "again"])
    })
  ))

it("a clock step does not make a time limit pass", () =>
  withTestClock(
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      let wrongBy = 0
      const settable = { ...clock, currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe() + wrongBy }
      const times = yield* Effect.provideService(timeLimits, Clock.Clock, settable)
      const late: Array<string> = []
      times.start(1000, () => late.push("one"))
      times.start(3000, () => late.push("three"))
      wrongBy = 3_600_000
      yield* passTime("1 second")
      expect(late).toEqual(["one"])
      wrongBy = -3_600_000
      yield* passTime("2 seconds")
      expect(late).toEqual(["one", "three"])
    })
  ))
