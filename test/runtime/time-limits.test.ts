/** Time limits that share one sleeper. */
import { Effect } from "effect"
import { expect, it } from "vitest"
import { timeLimits } from "../../src/runtime/time-limits.ts"
import { passTime, withTestClock } from "../support/test-clock.ts"

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
