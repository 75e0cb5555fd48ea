/**
 * Brokers that speak MQTT 3.1.1 only: a connection with MQTT 5 is refused or closed, and retried immediately with 3.1.1.
 *
 * The result is cached for an hour, so that not every connection is made twice. Not longer: the broker
 * may have been replaced, or may have closed the connection for another reason.
 */
import { Data, Effect, type Scope } from "effect"
import type { MqttRefusal, Target } from "../../messages/mqtt.ts"
import { monotonicNow } from "../../runtime/primitives/monotonic-time.ts"

/** A failed attempt. */
export class Unopened extends Data.TaggedError("Unopened")<{
  readonly refusal: MqttRefusal
  /** An attempt with MQTT 3.1.1 may succeed. */
  readonly isOfOldBroker: boolean
}> {}

type Attempt<A> = (target: Target) => Effect.Effect<A, Unopened, Scope.Scope>

export class OldBrokers {
  /** Until when each is contacted with MQTT 3.1.1. */
  private readonly known = new Map<string, number>()

  ask<A>(target: Target, attempt: Attempt<A>): Effect.Effect<A, Unopened, Scope.Scope> {
    return Effect.gen({ self: this }, function* () {
      const broker = `${target.host}:${target.port}`
      const until = target.receiveMaximum === undefined ? undefined : this.known.get(broker)
      if (until !== undefined && (yield* monotonicNow) < until)
        return yield* Effect.tapError(attempt(oldWords(target)), () => Effect.sync(() => this.known.delete(broker)))
      return yield* Effect.catchIf(
        attempt(target),
        ({ isOfOldBroker }) => isOfOldBroker,
        () => Effect.tap(attempt(oldWords(target)), () => this.remember(broker))
      )
    })
  }

  private remember(broker: string): Effect.Effect<void> {
    return Effect.map(monotonicNow, (now) => void this.known.set(broker, now + knownForMs))
  }
}

const oldWords = ({ receiveMaximum: _, ...target }: Target): Target => target

const knownForMs = 3_600_000
