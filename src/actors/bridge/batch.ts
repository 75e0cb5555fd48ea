/** Messages that came together and are published and acknowledged together, and what a publish that failed says of one. */
import type { MqttMessage, MqttRefusal } from "../../messages/mqtt.ts"
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

/** The batches in flight on each connection: what its end left unacknowledged is known when the last has settled. */
export class ConnectionBatches<Message> {
  private readonly open = new Map<number, { batches: number; readonly unacknowledged: Array<Message> }>()

  begin(connection: number): void {
    const current = this.open.get(connection)
    if (current === undefined) this.open.set(connection, { batches: 1, unacknowledged: [] })
    else current.batches += 1
  }

  /** `unacknowledged`: those of one batch that the end of the connection left so. Returns all of them once no batch is left. */
  settle(connection: number, unacknowledged: ReadonlyArray<Message>): ReadonlyArray<Message> {
    const current = this.open.get(connection)
    if (current === undefined) return []
    current.unacknowledged.push(...unacknowledged)
    current.batches -= 1
    if (current.batches > 0) return []
    this.open.delete(connection)
    return current.unacknowledged
  }
}

/** The broker closed the connection; not the network, and not we for its silence. */
export const isDisconnect = (refusal: MqttRefusal): boolean =>
  refusal._tag === "BrokerDisconnected" ||
  (refusal._tag === "ConnectionLost" && refusal.stage === "connected" && refusal.endedBy !== "network")

/** MQTT 5.0, 3.4.2.1: not authorised, topic name invalid, packet too large, payload format invalid. The others pass. */
export const refusedForGood: ReadonlySet<number> = new Set([0x87, 0x90, 0x95, 0x99])
