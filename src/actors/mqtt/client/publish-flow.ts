/**
 * Publishing on one connection: one queue, from which messages are sent as the broker's Receive Maximum, its rate and the
 * byte window of the network path allow; and the messages waiting for PUBACK.
 */
import { Effect } from "effect"
import type { FailedPublish, MqttMessage, MqttRefusal } from "../../../messages/mqtt.ts"
import { type ProtocolVersion, publishSize } from "../../../messages/wire/mqtt-publish.ts"
import { processMonotonicMs } from "../../../runtime/primitives/process-time.ts"
import { ShortLivedMap, ShortLivedSet } from "../../../runtime/primitives/short-lived.ts"
import { ConnectionEnded, type ConnectionLifetime, packetTooLarge } from "./connection-lifetime.ts"
import type { PacketStream } from "./packet-stream.ts"
import { ByteWindow, byteWindowSettings, PublishPace } from "./send-limits.ts"

/** For tests: a clock set by hand. */
interface FlowClock {
  /** Monotonic milliseconds. */
  readonly now: () => number
  readonly after: (ms: number, call: () => void) => void
}

/** Its timers do not keep the process alive: the connection does. */
const processClock: FlowClock = {
  now: processMonotonicMs,
  after: (ms, call) => void setTimeout(call, ms).unref()
}

/** One call of `publishAll`. */
interface PublishCall {
  open: number
  readonly failed: Array<FailedPublish>
  readonly done: () => void
}

interface Entry {
  readonly call: PublishCall
  readonly index: number
  readonly message: MqttMessage
  /** Of the packet, in bytes. */
  readonly size: number
  isComplete: boolean
  /** 0: not sent yet. */
  sentAt: number
  /** Later ones were acknowledged. */
  isOvertaken: boolean
}

interface FlowOptions {
  readonly version: ProtocolVersion
  /** Limits from the broker's CONNACK. */
  readonly limits: {
    /** Number of unacknowledged QoS 1 publishes it accepts (MQTT 5.0, 4.9). */
    readonly receiveMaximum?: number
    /** In bytes: it closes the connection on a larger packet, which would be sent again on the next one. */
    readonly maximumPacketSize?: number
  }
  readonly send: PacketStream["send"]
  /** Maximum number of publishes per second, 0: unlimited. */
  readonly perSecond: number
  readonly refusalOf: (ended: ConnectionEnded) => MqttRefusal
  readonly clock?: FlowClock
}

export class PublishFlow {
  private readonly options: FlowOptions
  private readonly lifetime: ConnectionLifetime
  private readonly clock: FlowClock
  private readonly mostInFlight: number
  private readonly largestPacket: number
  private readonly window: ByteWindow
  private readonly pace: PublishPace
  private readonly waiting = new ShortLivedSet<Entry>()
  /** Sent with QoS 1 and not acknowledged, by packet id, in order of sending. */
  private readonly inFlight = new ShortLivedMap<number, Entry>()
  private lastPacketId = 0
  private isWaitingForPace = false
  /** Time of the last PUBACK. */
  private progressAt = 0
  private isFinishing = false
  private onIdle: (() => void) | undefined

  constructor(lifetime: ConnectionLifetime, options: FlowOptions) {
    const { limits, perSecond, clock = processClock } = options
    this.lifetime = lifetime
    this.options = options
    this.clock = clock
    this.mostInFlight = Math.min(limits.receiveMaximum ?? highestPublishId, highestPublishId)
    // MQTT 5.0, 3.2.2.3.6: without it there is no limit. A broker of MQTT 3.1.1 reports none.
    this.largestPacket = limits.maximumPacketSize ?? Number.POSITIVE_INFINITY
    this.window = new ByteWindow(byteWindowSettings)
    this.pace = new PublishPace(perSecond)
  }

  /** In order; returns those that were not acknowledged. */
  publishAll(messages: ReadonlyArray<MqttMessage>): Effect.Effect<ReadonlyArray<FailedPublish>> {
    return Effect.suspend(() => {
      const entries: Array<Entry> = []
      const failed: Array<FailedPublish> = []
      const giveUp = () => {
        for (const entry of entries) this.waiting.delete(entry)
        this.sendWaiting()
      }
      const all = this.lifetime.within<void>((answer) => {
        const call: PublishCall = { open: messages.length, failed, done: () => answer() }
        for (const [index, message] of messages.entries()) {
          const size = publishSize(message, this.options.version)
          const entry = { call, index, message, size, isComplete: false, sentAt: 0, isOvertaken: false }
          entries.push(entry)
          if (size > this.largestPacket) this.complete(entry, packetTooLarge)
          else if (this.waiting.size > 0 || !this.trySend(entry)) this.waiting.add(entry)
        }
        return giveUp
      })
      const onEnd = (because: ConnectionEnded) => {
        giveUp()
        const refusal = this.options.refusalOf(because)
        return [...failed, ...entries.filter((one) => !one.isComplete).map(({ index }) => ({ index, refusal }))]
      }
      return Effect.match(all, { onSuccess: (): ReadonlyArray<FailedPublish> => failed, onFailure: onEnd })
    })
  }

  /** The broker has acknowledged or refused it; `code`: 0, or a reason code of MQTT 5. */
  acknowledged(packetId: number, code: number): void {
    const entry = this.inFlight.get(packetId)
    if (entry === undefined) return
    this.inFlight.delete(packetId)
    const now = this.clock.now()
    this.progressAt = now
    this.markOvertaken(entry.sentAt)
    this.window.acknowledged(entry.size, entry.sentAt, now, this.waiting.size > 0)
    this.complete(entry, code < 0x80 ? undefined : code)
    if (this.waiting.size > 0) this.sendWaiting()
    if (this.inFlight.size === 0) this.onIdle?.()
  }

  /** Publishes of QoS 1 that were sent and have no PUBACK. */
  get count(): number {
    return this.inFlight.size
  }

  /**
   * Whether publishes wait and no PUBACK was received for that long, considering what the oldest takes on the slowest path: a
   * broker may answer pings all the same. A slow path that still delivers some is not the cause.
   */
  isSilent(limitMs: number): boolean {
    const [oldest] = this.inFlight.values()
    if (oldest === undefined) return false
    const allowedMs = limitMs + oldest.size / slowestBytesPerMs
    return this.clock.now() - Math.max(oldest.sentAt, this.progressAt) >= allowedMs
  }

  /**
   * Number of publishes sent longer ago than that, without PUBACK although later ones have one. PUBACKs come in the order of
   * the publishes (MQTT 3.1.1, 4.6), so the broker has discarded them, as AWS IoT does above its rate.
   */
  overtaken(longerThanMs: number): number {
    const before = this.clock.now() - longerThanMs
    let count = 0
    for (const { sentAt, isOvertaken } of this.inFlight.values()) {
      if (sentAt >= before) break
      if (isOvertaken) count += 1
    }
    return count
  }

  /** Stops sending; completes when no PUBACK is pending. */
  readonly finish: Effect.Effect<void> = Effect.callback((resume) => {
    this.isFinishing = true
    this.onIdle = () => resume(Effect.void)
    if (this.inFlight.size === 0) this.onIdle()
  })

  private sendWaiting(): void {
    for (let next = this.waiting.first; next !== undefined && this.trySend(next); next = this.waiting.first)
      this.waiting.delete(next)
  }

  /** False: not now; `sendWaiting` is called when it may be. */
  private trySend(entry: Entry): boolean {
    if (this.isFinishing || this.isWaitingForPace || !this.window.hasRoomFor(entry.size)) return false
    if (entry.message.qos === 1 && this.inFlight.size >= this.mostInFlight) return false
    const now = this.clock.now()
    const waitMs = this.pace.waitMs(now)
    if (waitMs === 0) {
      this.send(entry, now)
      return true
    }
    this.isWaitingForPace = true
    this.clock.after(waitMs, () => {
      this.isWaitingForPace = false
      this.sendWaiting()
    })
    return false
  }

  private send(entry: Entry, now: number): void {
    const { message, size } = entry
    this.window.sent(size)
    this.pace.sent(now)
    entry.sentAt = now
    if (message.qos === 1) {
      const packetId = this.freePacketId()
      this.inFlight.set(packetId, entry)
      this.options.send({ message, packetId })
      return
    }
    // QoS 0 completes when it is written: on a slow path it delays those after it.
    this.options.send({ message, packetId: 0 }, () => {
      this.window.release(size)
      this.complete(entry, undefined)
      this.sendWaiting()
    })
  }

  private freePacketId(): number {
    do this.lastPacketId = (this.lastPacketId % highestPublishId) + 1
    while (this.inFlight.has(this.lastPacketId))
    return this.lastPacketId
  }

  private markOvertaken(sentAt: number): void {
    for (const earlier of this.inFlight.values()) {
      if (earlier.isOvertaken) continue
      if (earlier.sentAt >= sentAt) return
      earlier.isOvertaken = true
    }
  }

  /** `code`: the reason code of the refusal. */
  private complete(entry: Entry, code: number | undefined): void {
    entry.isComplete = true
    const { call, index } = entry
    if (code !== undefined) {
      const because = new ConnectionEnded({ reason: { kind: "publishRefused", code } })
      call.failed.push({ index, refusal: this.options.refusalOf(because) })
    }
    call.open -= 1
    if (call.open === 0) call.done()
  }
}

/** The packet ids above it are for SUBSCRIBE. */
export const highestPublishId = 65_000

/** 16 kbit/s: a single large message may take minutes on such a path. */
const slowestBytesPerMs = 2
