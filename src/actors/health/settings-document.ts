/**
 * Keeps the retained document of the mapper's settings up to date: another client's message in its place
 * is replaced, at most once a second. Source: thin-edge, config exposure, "Self-correcting publisher".
 */
import { Effect } from "effect"
import type { HealthProtocol } from "../../messages/bridge.ts"
import type { MqttMessage } from "../../messages/mqtt.ts"
import type { ActorContext } from "../../runtime/actor.ts"
import { WakeUp } from "../../runtime/primitives/wake-up.ts"
import type { PublishNewest } from "./publish-newest.ts"

interface SettingsDocument {
  readonly publish: Effect.Effect<void>
  readonly received: (message: MqttMessage) => Effect.Effect<void>
}

/** `otherMapperRuns`: another mapper of this name runs, and owns the document. */
export const keepDocument = (
  context: ActorContext<HealthProtocol>,
  document: MqttMessage,
  { publish, otherMapperRuns }: { readonly publish: PublishNewest; readonly otherMapperRuns: () => boolean }
): Effect.Effect<SettingsDocument> =>
  Effect.gen(function* () {
    const wakeUp = new WakeUp()
    let awaitsEcho = false
    const publishNext = Effect.gen(function* () {
      yield* wakeUp.wait
      awaitsEcho = true
      yield* publish([document])
      yield* Effect.sleep("1 second")
    })
    yield* context.task("publish settings", Effect.forever(publishNext))
    const look = Effect.sync(() => wakeUp.notify())
    return {
      publish: look,
      received: ({ topic, payload }) =>
        Effect.suspend(() => {
          if (topic !== document.topic) return Effect.void
          const isOurs = Buffer.from(payload).equals(document.payload)
          if (isOurs) awaitsEcho = false
          // Messages before the echo were there before it, and are replaced by it.
          return isOurs || awaitsEcho || otherMapperRuns() ? Effect.void : look
        })
    }
  })
