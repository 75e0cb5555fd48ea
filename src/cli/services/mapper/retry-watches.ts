/**
 * The cloud's link does not sit out its pause when the network comes back, or when the clock is set: a device without a battery
 * for its clock starts in the past, where no certificate is valid yet.
 */
import { Duration, Effect, Queue, Random, type Scope } from "effect"
import type { LinkProtocol } from "../../../messages/mqtt.ts"
import { watchNetwork } from "../../../platform/network/network-changes.ts"
import { watchClock } from "../../../platform/process/clock-steps.ts"
import type { ActorRef } from "../../../runtime/protocol.ts"

/** Within seconds, each device at another moment: thousands may have lost the same network. */
export const retryWithNetwork = (cloud: ActorRef<LinkProtocol>): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    const news = yield* Queue.sliding<void>(1)
    const watching = watchNetwork(() => void Queue.offerUnsafe(news, undefined))
    const isWatched = yield* Effect.match(watching, {
      onSuccess: () => true,
      onFailure: () => false
    })
    if (!isWatched)
      return yield* Effect.logDebug("network changes cannot be monitored (AF_NETLINK): retry delays are not shortened")
    yield* Effect.forkScoped(
      Effect.forever(
        Effect.gen(function* () {
          yield* Queue.take(news)
          const waitMs = earliestMs + (yield* Random.next) * spreadMs
          yield* Effect.sleep(Duration.millis(waitMs))
          // An address and its route come one after the other; one attempt is for both.
          yield* Queue.clear(news)
          yield* cloud.offer("RetryNow", { because: "the network has changed" })
          yield* Effect.sleep(restMs)
        })
      )
    )
  })

/** DNS and routes settle meanwhile. */
const earliestMs = 500
const spreadMs = 4_500

/** An interface that flaps does not make an attempt each time. */
const restMs = 10_000

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
