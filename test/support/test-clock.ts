/** Runs an effect on a clock that stands still until the test moves it. */
import { type Duration, Effect, Exit, Scope } from "effect"
import { TestClock } from "effect/testing"

/** Lets everything run that can run without the clock moving. */
export const settled: Effect.Effect<void> = Effect.repeat(Effect.yieldNow, { times: 50 }).pipe(Effect.asVoid)

/** Moves the clock; what was due before, at, and because of each moment runs before this returns. */
export const passTime = (duration: Duration.Input): Effect.Effect<void> =>
  settled.pipe(Effect.andThen(TestClock.adjust(duration)), Effect.andThen(settled))

/** The scope is closed with the clock running, so that a stop that takes its time cannot hang a test. */
export const withTestClock = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>): Promise<A> =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const exit = yield* Effect.exit(Scope.provide(effect, scope))
    const closing = yield* Effect.forkChild(Scope.close(scope, Exit.asVoid(exit)), { startImmediately: true })
    while (closing.pollUnsafe() === undefined) yield* passTime("1 second")
    return yield* exit
  }).pipe(Effect.provide(TestClock.layer()), Effect.runPromise)
