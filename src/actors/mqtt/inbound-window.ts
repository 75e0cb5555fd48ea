/**
 * The messages of a link between its broker and its receiver: in order, and bounded whatever the broker does.
 *
 * At most `window` messages are with the receiver. Of those that wait, QoS 0 beyond its bound drops the oldest QoS 0
 * and counts it; QoS 1 is never dropped: its PUBACK is withheld, so the broker still has it. Beyond the bound of
 * QoS 1 the connection has to be cut, and the broker sends them again.
 */
import type { MqttMessage } from "../../messages/mqtt.ts"
import type { Inbound } from "./connection.ts"

export interface WindowBounds {
  /** How many messages the receiver may have in its hands. */
  readonly window: number
  readonly waitingQos0: number
  readonly waitingQos0Bytes: number
  readonly waitingQos1: number
}

/** A message with the receiver, or on its way there. */
export interface Delivery {
  readonly delivery: number
  readonly message: MqttMessage
}

interface Entry extends Delivery {
  /** Which connection it came by, counted from 1. */
  readonly connection: number
  readonly packetId: number | undefined
}

export class InboundWindow {
  /** QoS 0 that found no room. */
  dropped = 0
  private readonly bounds: WindowBounds
  private readonly nextDelivery: () => number
  private waiting: Array<Entry> = []
  private readonly outstanding = new Map<number, Entry>()
  private qos0 = 0
  private qos0Bytes = 0

  constructor(bounds: WindowBounds, nextDelivery: () => number) {
    this.bounds = bounds
    this.nextDelivery = nextDelivery
  }

  get depth(): number {
    return this.waiting.length
  }

  get withReceiver(): number {
    return this.outstanding.size
  }

  arrive(connection: number, { message, packetId }: Inbound): "accepted" | "overflow" {
    if (packetId !== undefined && this.waiting.length - this.qos0 >= this.bounds.waitingQos1) return "overflow"
    this.waiting.push({ delivery: this.nextDelivery(), connection, packetId, message })
    if (packetId !== undefined) return "accepted"
    this.qos0 += 1
    this.qos0Bytes += message.payload.length
    while (this.qos0 > this.bounds.waitingQos0 || (this.qos0 > 1 && this.qos0Bytes > this.bounds.waitingQos0Bytes))
      this.dropOldestQos0()
    return "accepted"
  }

  /** The next message for the receiver; undefined when none waits or it has its hands full. */
  take(): Delivery | undefined {
    if (this.outstanding.size >= this.bounds.window) return undefined
    const entry = this.waiting.shift()
    if (entry === undefined) return undefined
    if (entry.packetId === undefined) this.forgetQos0(entry)
    this.outstanding.set(entry.delivery, entry)
    return entry
  }

  /** The receiver is done with it. Answers whose PUBACK is due, by which connection. */
  settle(delivery: number): { readonly connection: number; readonly packetId: number } | undefined {
    const entry = this.outstanding.get(delivery)
    this.outstanding.delete(delivery)
    return entry?.packetId === undefined ? undefined : { connection: entry.connection, packetId: entry.packetId }
  }

  /** The broker has kept the session: what waits from before with QoS 1 comes again by this connection. */
  sessionResumed(connection: number): void {
    this.waiting = this.waiting.filter((entry) => entry.packetId === undefined || entry.connection >= connection)
  }

  /** What is with the receiver, in the order it was given: for a receiver that has lost it. */
  withReceiverInOrder(): ReadonlyArray<Delivery> {
    return [...this.outstanding.values()]
  }

  private dropOldestQos0(): void {
    const index = this.waiting.findIndex((entry) => entry.packetId === undefined)
    const [entry] = this.waiting.splice(index, 1)
    if (entry === undefined) return
    this.forgetQos0(entry)
    this.dropped += 1
  }

  private forgetQos0({ message }: Entry): void {
    this.qos0 -= 1
    this.qos0Bytes -= message.payload.length
  }
}
