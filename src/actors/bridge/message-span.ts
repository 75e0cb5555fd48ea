/** The trace of messages on their way through the bridge: topics and sizes, no payload. */
import type { Effect } from "effect"
import { spanned } from "../../runtime/span.ts"
import type { Batch } from "./batch.ts"

/** `direction`: `outbound` or `inbound`. Attributes: OpenTelemetry semantic conventions for messaging. */
export const messageSpan = (direction: string, { messages }: Batch, forwarding: Effect.Effect<void>) =>
  spanned("mqtt forward", { kind: "producer", attributes: () => attributes(direction, messages) }, forwarding)

const attributes = (direction: string, messages: Batch["messages"]) => ({
  "messaging.system": "mqtt",
  "messaging.operation.name": "publish",
  "messaging.operation.type": "send",
  "messaging.destination.name": messages[0]?.message.topic,
  "messaging.batch.message_count": messages.length,
  "messaging.message.body.size": messages.reduce((sum, { message }) => sum + message.payload.length, 0),
  "tedge.bridge.direction": direction
})
