/**
 * An actor that has been started: how to wait until it is ready, and how to stop it.
 *
 * Used by whoever owns the actor: its supervisor, or the scope of one that stands alone.
 */
import { Deferred, type Duration, Effect, Exit, type Fiber } from "effect"
import type { Address } from "./actor.ts"
import { endsWithin } from "./ends-within.ts"
import { CurrentDeadline } from "./envelope.ts"
import { type AnyBehaviour, live } from "./incarnation.ts"

/** `drain`: handle what waits. `current`: only what is being handled. `now`: nothing more. */
export type StopMode = "drain" | "current" | "now"

export interface RunningActor {
  /** Fails with the cause when the actor ended before it was ready. */
  readonly ready: Effect.Effect<void, unknown>
  readonly fiber: Fiber.Fiber<void, unknown>
  /** False when it had to be forced, or failed while it stopped. Its mailbox is left as it is. */
  readonly stop: (mode: StopMode, within: Duration.Input) => Effect.Effect<boolean>
}

export const launch = <E, R>(
  // biome-ignore lint/suspicious/noExplicitAny: see AnyBehaviour
  place: Address<any>,
  behaviour: AnyBehaviour<E, R>
): Effect.Effect<RunningActor, never, R> =>
  Effect.gen(function* () {
    const { cell } = place
    const ready = Deferred.makeUnsafe<void, unknown>()
    const onReady = () => void Deferred.doneUnsafe(ready, Effect.void)
    // It may be started for a message, and outlives it.
    const life = Effect.provideService(live({ cell, self: place.ref, behaviour, onReady }), CurrentDeadline, NEVER)
    const fiber = yield* Effect.forkDetach(life)
    fiber.addObserver((exit) => void Deferred.doneUnsafe(ready, Exit.isFailure(exit) ? exit : Effect.interrupt))

    const kill = (within: Duration.Input) =>
      Effect.suspend(() => {
        fiber.interruptUnsafe()
        return Effect.as(endsWithin(fiber, within), false)
      })
    const stop = (mode: StopMode, within: Duration.Input): Effect.Effect<boolean> =>
      Effect.suspend(() => {
        if (fiber.pollUnsafe() !== undefined) return Effect.succeed(Exit.isSuccess(fiber.pollUnsafe() ?? Exit.void))
        if (mode === "now") return Effect.as(kill(within), true)
        cell.bringToStop(mode)
        return Effect.flatMap(endsWithin(fiber, within), (ended) =>
          ended ? Effect.succeed(Exit.isSuccess(fiber.pollUnsafe() ?? Exit.void)) : kill(within)
        )
      })
    return { ready: Deferred.await(ready), fiber, stop }
  })

const NEVER = Number.POSITIVE_INFINITY
