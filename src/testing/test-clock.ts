/**
 * Runs an effect on a clock that only the test advances.
 *
 * Its wall time disagrees with its monotonic time, in both directions: each move of the clock also steps the wall time,
 * as NTP or a real-time clock does, by hours back or ahead. Code that measures durations by wall time fails its test.
 */
import { Clock, type Duration, Effect, Exit, Scope } from "effect"
import { TestClock } from "effect/testing"

/** Runs everything that can run at the current time. */
export const settled: Effect.Effect<void> = Effect.repeat(Effect.yieldNow, { times: 50 }).pipe(Effect.asVoid)

/** Moves the clock; what was due before, at, and because of each moment runs before this returns. */
export const passTime = (duration: Duration.Input): Effect.Effect<void> =>
  stepWallTime.pipe(Effect.andThen(settled), Effect.andThen(TestClock.adjust(duration)), Effect.andThen(settled))

/** The scope is closed with the clock running, so that a stop that takes its time cannot hang a test. */
export const withTestClock = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>): Promise<A> =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const exit = yield* Effect.exit(Scope.provide(effect, scope))
    const closing = yield* Effect.forkChild(Scope.close(scope, Exit.asVoid(exit)), { startImmediately: true })
    while (closing.pollUnsafe() === undefined) yield* passTime("1 second")
    return yield* exit
  }).pipe(withSteppedWallTime, Effect.provide(TestClock.layer()), Effect.runPromise)

interface SteppedClock extends Clock.Clock {
  stepsMade: number
}

const withSteppedWallTime = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.flatMap(Clock.Clock, (clock) => {
    const wallMs = () => clock.currentTimeMillisUnsafe() + wrongByMs(stepped.stepsMade)
    const wallNanos = () => clock.currentTimeNanosUnsafe() + BigInt(wrongByMs(stepped.stepsMade)) * 1_000_000n
    const stepped: SteppedClock = {
      ...clock,
      stepsMade: 0,
      currentTimeMillisUnsafe: wallMs,
      currentTimeMillis: Effect.sync(wallMs),
      currentTimeNanosUnsafe: wallNanos,
      currentTimeNanos: Effect.sync(wallNanos)
    }
    return Effect.provideService(effect, Clock.Clock, stepped)
  })

const stepWallTime: Effect.Effect<void> = Effect.map(Clock.Clock, (clock) => {
  if ("stepsMade" in clock) (clock as SteppedClock).stepsMade += 1
})

/** Right at first, then two hours behind, two hours ahead, and so on. */
const wrongByMs = (steps: number): number => (steps === 0 ? 0 : steps % 2 === 1 ? -stepMs : stepMs)

const stepMs = 2 * 3_600_000
