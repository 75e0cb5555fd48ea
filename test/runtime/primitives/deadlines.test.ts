/** One sleeper for many deadlines: each is met, and no timer stays behind. */
import { Clock, Effect } from "effect"
import { describe, expect, it } from "vitest"
import { Deadlines } from "../../../src/runtime/primitives/deadlines.ts"
import { monotonicMs } from "../../../src/runtime/primitives/monotonic-time.ts"
import { passTime, withTestClock } from "../../../src/testing/test-clock.ts"

interface Due {
  readonly deadline: number
}

const withDeadlines = (test: (deadlines: Deadlines<Due>, expired: ReadonlyArray<number>) => Effect.Effect<void>) =>
  Effect.withFiber<void>((fiber) => {
    const expired: Array<number> = []
    const deadlines = new Deadlines<Due>({
      context: fiber.context,
      now: () => monotonicMs(fiber.getRef(Clock.Clock)),
      dueAt: (due) => due.deadline,
      expire: (due) => void expired.push(due.deadline)
    })
    return test(deadlines, expired)
  })

describe("deadlines", () => {
  it("are each met at their own time, in whatever order they were set", () =>
    withTestClock(
      withDeadlines((deadlines, expired) =>
        Effect.gen(function* () {
          for (const deadline of [300, 100, 200, 100]) deadlines.add({ deadline })
          yield* passTime(99)
          expect(expired).toEqual([])
          yield* passTime(1)
          expect(expired).toEqual([100, 100])
          yield* passTime(100)
          expect(expired).toEqual([100, 100, 200])
          yield* passTime(100)
          expect(expired).toEqual([100, 100, 200, 300])
        })
      )
    ))

  it("that were removed are not met", () =>
    withTestClock(
      withDeadlines((deadlines, expired) =>
        Effect.gen(function* () {
          const answered = { deadline: 100 }
          deadlines.add(answered)
          deadlines.remove(answered)
          yield* passTime(200)
          expect(expired).toEqual([])
        })
      )
    ))

  it("further away than a timer of Node reaches are met all the same", () =>
    withTestClock(
      withDeadlines((deadlines, expired) =>
        Effect.gen(function* () {
          const days40 = 40 * 24 * 60 * 60 * 1000
          deadlines.add({ deadline: days40 })
          yield* passTime(days40 - 1)
          expect(expired).toEqual([])
          yield* passTime(1)
          expect(expired).toEqual([days40])
        })
      )
    ))

  it("leave no timer behind when nobody waits any more", () =>
    withTestClock(
      Effect.gen(function* () {
        let sleeping = 0
        const clock = yield* Clock.Clock
        const watchful: Clock.Clock = {
          ...clock,
          sleep: () =>
            Effect.suspend(() => {
              sleeping += 1
              const woken = Effect.sync(() => {
                sleeping -= 1
              })
              return Effect.onInterrupt(Effect.never, () => woken)
            })
        }
        const test = withDeadlines((deadlines) =>
          Effect.sync(() => {
            const due = { deadline: 100 }
            deadlines.add(due)
            expect(sleeping).toBe(1)
            deadlines.remove(due)
            deadlines.rest()
            expect(sleeping).toBe(0)
          })
        )
        yield* Effect.provideService(test, Clock.Clock, watchful)
      })
    ))
})
