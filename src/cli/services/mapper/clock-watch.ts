/**
 * When the clock is set, the cloud's link does not sit out its pause: a device without a battery for its clock starts in
 * the past, where no certificate is valid yet.
 */
import { Effect, Queue, type Scope } from "effect"
import type { LinkProtocol } from "../../../messages/mqtt.ts"
import { watchClock } from "../../../platform/process/clock-steps.ts"
import type { ActorRef } from "../../../runtime/protocol.ts"

export const retryWithClock = (cloud: ActorRef<LinkProtocol>): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    const steps = yield* Queue.sliding<void>(1)
    const isWatched = yield* Effect.match(
      watchClock(() => void Queue.offerUnsafe(steps, undefined)),
      { onSuccess: () => true, onFailure: () => false }
    )
    if (!isWatched)
      return yield* Effect.logDebug("clock changes cannot be monitored (timerfd): retry delays are not shortened")
    const retry = Effect.andThen(Queue.take(steps), cloud.offer("RetryNow", { because: "the clock was set" }))
    yield* Effect.forkScoped(Effect.forever(Effect.andThen(retry, Effect.sleep(rest))))
  })

/** An NTP client may set it several times. */
const rest = "1 second"
