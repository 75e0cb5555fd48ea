/**
 * Ends the back-off of the cloud's link early when the network comes back or the clock is set: a device without a battery
 * for its clock boots in the past, where no certificate is valid yet.
 */
import { Duration, Effect, Queue, Random, type Scope } from "effect"
import type { LinkProtocol } from "../../../messages/mqtt.ts"
import { watchNetwork } from "../../../platform/network/network-changes.ts"
import { watchClock } from "../../../platform/process/clock-steps.ts"
import type { ActorRef } from "../../../runtime/protocol.ts"

/** Within seconds, randomised per device: thousands may have lost the same network. */
export const retryWithNetwork = (cloud: ActorRef<LinkProtocol>): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    const news = yield* watched(watchNetwork, "network changes cannot be monitored (AF_NETLINK)")
    if (news === undefined) return
    yield* Effect.forkScoped(
      Effect.forever(
        Effect.gen(function* () {
          yield* Queue.take(news)
          const waitMs = earliestMs + (yield* Random.next) * spreadMs
          yield* Effect.sleep(Duration.millis(waitMs))
          // An address and its route are reported one after the other; one attempt is for both.
          yield* Queue.clear(news)
          yield* cloud.offer("RetryNow", { because: "the network has changed" })
          yield* Effect.sleep(restMs)
        })
      )
    )
  })

/** Time for DNS and routes to settle. */
const earliestMs = 500
const spreadMs = 4_500

/** A flapping interface does not cause an attempt each time. */
const restMs = 10_000

export const retryWithClock = (cloud: ActorRef<LinkProtocol>): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    const steps = yield* watched(watchClock, "clock changes cannot be monitored (timerfd)")
    if (steps === undefined) return
    const retry = Effect.andThen(Queue.take(steps), cloud.offer("RetryNow", { because: "the clock was set" }))
    // An NTP client may set it several times.
    yield* Effect.forkScoped(Effect.forever(Effect.andThen(retry, Effect.sleep("1 second"))))
  })

/** Undefined: it cannot be watched. */
const watched = (watch: typeof watchClock, impossible: string) =>
  Effect.gen(function* () {
    const news = yield* Queue.sliding<void>(1)
    return yield* Effect.as(
      watch(() => void Queue.offerUnsafe(news, undefined)),
      news
    )
  }).pipe(Effect.catch(() => Effect.as(Effect.logDebug(`${impossible}: retry delays are not shortened`), undefined)))
