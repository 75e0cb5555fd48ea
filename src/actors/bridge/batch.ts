/** Messages that came together and are published and acknowledged together. */
import type { MqttMessage } from "../../messages/mqtt.ts"
import type { Origin } from "./side.ts"

export interface Batch {
  readonly origin: Origin
  readonly messages: ReadonlyArray<InFlightMessage>
}

export interface InFlightMessage {
  /** Names the message at the link it came by. */
  readonly delivery: number
  /** As it is published on the other side. */
  readonly message: MqttMessage
  /** The broker there gives it back to us. */
  readonly comesBack: boolean
}
