/**
 * The messages of a link between its broker and its receiver: in order, and bounded even if the broker exceeds its limits.
 *
 * At most `window` messages are with the receiver, and their bytes are bounded too. Of the waiting ones, QoS 0 beyond its
 * bound drops the oldest QoS 0 and counts it. QoS 1 beyond its bound is overflow, and so is all
 * QoS 1 after it on the same connection: its PUBACK is withheld, so the broker keeps it and redelivers it on the next
 * connection. That one is due as soon as everything before it is done. (Mosquitto 2.0.11 sends thousands instead of
 * 20; 2.0.21 keeps the limit.)
 */
import type { Delivery, MqttMessage } from "../../../messages/mqtt.ts"
import { ShortLivedMap } from "../../../runtime/primitives/short-lived.ts"
import type { Inbound } from "../broker-connection.ts"

export interface WindowBounds {
  /** Maximum number of unacknowledged messages at the receiver. */
  readonly window: number
  /** It gets no further message while it has this many bytes. */
  readonly windowBytes: number
  readonly waitingQos0: number
  readonly waitingQos0Bytes: number
  readonly waitingQos1: number
  readonly waitingQos1Bytes: number
}

interface Entry extends Delivery {
  /** The connection it came on, counted from 1. */
  readonly connection: number
  readonly packetId: number | undefined
}

export class InboundWindow {
  /** QoS 0 without room. */
  dropped = 0
  private readonly bounds: WindowBounds
  private readonly past: { deliveries: number }
  private waiting: Array<Entry> = []
  private readonly outstanding = new ShortLivedMap<number, Entry>()
  private outstandingBytes = 0
  private qos0 = 0
  private qos0Bytes = 0
  private qos1Bytes = 0
  /** The connection on which QoS 1 overflowed. */
  private overflowed = 0

  /** `past.deliveries`: the number of the last one. */
  constructor(bounds: WindowBounds, past: { deliveries: number }) {
    this.bounds = bounds
    this.past = past
  }

  get depth(): number {
    return this.waiting.length
  }

  get withReceiver(): number {
    return this.outstanding.size
  }

  arrive(connection: number, { message, packetId }: Inbound): "accepted" | "overflow" {
    if (packetId !== undefined && !this.hasRoom(connection)) {
      this.overflowed = connection
      return "overflow"
    }
    this.waiting.push({ delivery: ++this.past.deliveries, connection, packetId, message })
    this.count(message, packetId, 1)
    while (this.qos0 > this.bounds.waitingQos0 || (this.qos0 > 1 && this.qos0Bytes > this.bounds.waitingQos0Bytes))
      this.dropOldestQos0()
    return "accepted"
  }

  /** Whether another connection is due: messages overflowed on this one, and all before them are done. */
  needsAnother(connection: number): boolean {
    if (this.overflowed !== connection || this.waiting.length > this.qos0) return false
    return [...this.outstanding.values()].every((entry) => entry.packetId === undefined)
  }

  /** The next message for the receiver; undefined: none waits, or its window is full. */
  take(): Delivery | undefined {
    const { window, windowBytes } = this.bounds
    if (this.outstanding.size >= window || this.outstandingBytes >= windowBytes) return undefined
    const entry = this.waiting.shift()
    if (entry === undefined) return undefined
    this.count(entry.message, entry.packetId, -1)
    this.outstanding.set(entry.delivery, entry)
    this.outstandingBytes += entry.message.payload.length
    return entry
  }

  /** The next messages, `most` at most. */
  takeSome(most: number): ReadonlyArray<Delivery> {
    const taken: Array<Delivery> = []
    while (taken.length < most) {
      const next = this.take()
      if (next === undefined) break
      taken.push(next)
    }
    return taken
  }

  /** The receiver is done with it. Returns the due PUBACKs, by connection. */
  acknowledge(delivery: number): { readonly connection: number; readonly packetId: number } | undefined {
    const entry = this.outstanding.get(delivery)
    if (entry === undefined) return undefined
    this.outstanding.delete(delivery)
    this.outstandingBytes -= entry.message.payload.length
    return entry.packetId === undefined ? undefined : { connection: entry.connection, packetId: entry.packetId }
  }

  /** The broker has kept the session: waiting QoS 1 messages of earlier connections are redelivered on this one. */
  sessionResumed(connection: number): void {
    const willBeRedelivered = (entry: Entry) => entry.packetId !== undefined && entry.connection < connection
    for (const entry of this.waiting) if (willBeRedelivered(entry)) this.count(entry.message, entry.packetId, -1)
    this.waiting = this.waiting.filter((entry) => !willBeRedelivered(entry))
  }

  /** Messages at the receiver, in order: for a receiver that has lost them. */
  withReceiverInOrder(): ReadonlyArray<Delivery> {
    return [...this.outstanding.values()]
  }

  private hasRoom(connection: number): boolean {
    const { waitingQos1, waitingQos1Bytes } = this.bounds
    if (this.overflowed === connection) return false
    const waiting = this.waiting.length - this.qos0
    return waiting === 0 || (waiting < waitingQos1 && this.qos1Bytes < waitingQos1Bytes)
  }

  private dropOldestQos0(): void {
    const index = this.waiting.findIndex((entry) => entry.packetId === undefined)
    const [entry] = this.waiting.splice(index, 1)
    if (entry === undefined) return
    this.count(entry.message, entry.packetId, -1)
    this.dropped += 1
  }

  private count({ payload }: MqttMessage, packetId: number | undefined, change: 1 | -1): void {
    if (packetId !== undefined) this.qos1Bytes += change * payload.length
    else {
      this.qos0 += change
      this.qos0Bytes += change * payload.length
    }
  }
}
