/**
 * Publishes to a broker that may be unreachable: of each topic only the newest message is kept, until the link has accepted it.
 */
import { Effect } from "effect"
import type { LinkProtocol, MqttMessage } from "../../messages/mqtt.ts"
import type { ActorContext } from "../../runtime/actor.ts"
import { WakeUp } from "../../runtime/primitives/wake-up.ts"
import type { ActorRef, Protocol } from "../../runtime/protocol.ts"

export type PublishNewest = (messages: ReadonlyArray<MqttMessage>) => Effect.Effect<void>

/** Returns immediately, whatever the state of the link; publishing is a task of the actor. */
export const publishNewest = <P extends Protocol>(
  context: ActorContext<P>,
  link: ActorRef<LinkProtocol>
): Effect.Effect<PublishNewest> =>
  Effect.gen(function* () {
    const pending = new Map<string, MqttMessage>()
    const wakeUp = new WakeUp()
    const publishNext = Effect.suspend(() => {
      const [message] = pending.values()
      return message === undefined ? wakeUp.wait : publish(link, pending, message)
    })
    yield* context.task("say", Effect.forever(publishNext))
    return (messages) =>
      Effect.suspend(() => {
        for (const message of messages) {
          pending.delete(message.topic)
          pending.set(message.topic, message)
        }
        return Effect.sync(() => wakeUp.notify())
      })
  })

/** Removed only when the broker has it, and nothing newer is to be published. */
const publish = (
  link: ActorRef<LinkProtocol>,
  pending: Map<string, MqttMessage>,
  message: MqttMessage
): Effect.Effect<void> =>
  link.ask("Publish", { message }, { within: "Infinity" }).pipe(
    Effect.andThen(
      Effect.sync(() => {
        if (pending.get(message.topic) === message) pending.delete(message.topic)
      })
    ),
    // Interrupted: the link waits for the next connection by itself. A failed link must not cause a busy loop.
    Effect.catch(() => Effect.sleep("200 millis"))
  )
