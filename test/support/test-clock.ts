/** Runs an effect on a clock that stands still until the test moves it. */
import { type Duration, Effect, type Scope } from "effect"
import { TestClock } from "effect/testing"

export const withTestClock = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>): Promise<A> =>
  Effect.runPromise(Effect.provide(Effect.scoped(effect), TestClock.layer()))

/** Moves the clock; whatever was due runs before this returns. */
export const passTime = (duration: Duration.Input): Effect.Effect<void> => TestClock.adjust(duration)

/** Lets everything run that can run without the clock moving. */
export const settled: Effect.Effect<void> = TestClock.adjust(0)
