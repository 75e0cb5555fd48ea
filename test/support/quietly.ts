/** Keeps log lines out of a test's output; what is logged is tested where it is written. */
import { Effect, References } from "effect"

export const quietly = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.provideService(effect, References.MinimumLogLevel, "None")
