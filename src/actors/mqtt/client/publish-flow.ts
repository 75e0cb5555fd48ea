/**
 * Publishing on one connection: within the broker's Receive Maximum, its Maximum Packet Size, its rate, and what the
 * network path takes.
 */
import { Effect } from "effect"
import type { MqttMessage } from "../../../messages/mqtt.ts"
import { FifoSemaphore } from "../../../runtime/primitives/fifo-semaphore.ts"
import { processMonotonicMs } from "../../../runtime/primitives/monotonic-time.ts"
import { ShortLivedSet } from "../../../runtime/primitives/short-lived.ts"
import { ConnectionEnded, type ConnectionLifetime } from "./connection-lifetime.ts"
import { InFlightWindow, inFlightSettings } from "./in-flight-window.ts"
import { type ProtocolVersion, publishSize } from "./publish-packet.ts"
import { packetTooLarge } from "./reason-codes.ts"

export interface Unpublished {
  /** Its place among those that were published together. */
  readonly index: number
  readonly because: ConnectionEnded
}

/** What a broker said in CONNACK that bounds publishing. */
interface BrokerLimits {
  /** How many publishes of QoS 1 it takes unacknowledged (MQTT 5.0, 4.9). */
  readonly receiveMaximum?: number
  /** In bytes: it hangs up on a larger packet, and would be given it again at the next connection. */
  readonly maximumPacketSize?: number
}

/** Calls `done` when the message is acknowledged, refused with a code of MQTT 5, or (QoS 0) written. */
export type Send = (message: MqttMessage, done: (code: number | undefined) => void) => void

export class PublishFlow {
  private readonly lifetime: ConnectionLifetime
  private readonly version: ProtocolVersion
  private readonly send: Send
  private readonly quota: FifoSemaphore
  private readonly largestPacket: number
  private readonly window = new InFlightWindow(inFlightSettings, processMonotonicMs)
  private readonly pace: PublishPace
  private readonly unanswered = new UnacknowledgedPublishes()

  /** `perSecond`: how many publishes at most, 0: as many as come. */
  constructor(lifetime: ConnectionLifetime, version: ProtocolVersion, limits: BrokerLimits, send: Send, perSecond = 0) {
    this.pace = new PublishPace(perSecond, processPaceClock(processMonotonicMs))
    this.lifetime = lifetime
    this.version = version
    this.send = send
    this.quota = new FifoSemaphore(limits.receiveMaximum ?? 65_535)
    // MQTT 5.0, 3.2.2.3.6: without it there is no limit. A broker of MQTT 3.1.1 reports none.
    this.largestPacket = limits.maximumPacketSize ?? Number.POSITIVE_INFINITY
  }

  /** In their order; answers those that were not acknowledged. `onAcknowledged` is called for each that was. */
  publishAll(
    messages: ReadonlyArray<MqttMessage>,
    onAcknowledged: () => void = () => {}
  ): Effect.Effect<ReadonlyArray<Unpublished>> {
    return Effect.suspend(() => {
      const open = new Set(messages.keys())
      const failed: Array<Unpublished> = []
      let cancelAll = () => {}
      const all = this.lifetime.within<void>((answer) => {
        const cancellations = messages.map((message, index) =>
          this.publish(message, (code) => {
            open.delete(index)
            if (code !== undefined) failed.push({ index, because: refusedWith(code) })
            onAcknowledged()
            if (open.size === 0) answer()
          })
        )
        cancelAll = () => {
          for (const cancelSend of cancellations) cancelSend()
        }
        return cancelAll
      })
      const cutOff = (because: ConnectionEnded) => {
        cancelAll()
        return [...failed, ...[...open].map((index) => ({ index, because }))]
      }
      return Effect.match(all, { onSuccess: (): ReadonlyArray<Unpublished> => failed, onFailure: cutOff })
    })
  }

  /** How many publishes, sent longer ago than that, got no PUBACK while later ones did. */
  overtaken(longerThanMs: number): number {
    return this.unanswered.overtaken(processMonotonicMs() - longerThanMs)
  }

  /** Answers how to give up what has not been sent yet. */
  private publish(message: MqttMessage, done: (code?: number) => void): () => void {
    const size = publishSize(message, this.version)
    if (size > this.largestPacket) {
      done(packetTooLarge)
      return () => {}
    }
    if (message.qos === 0) return this.sendInWindow(message, size, done, () => {})
    let cancelSend = () => {}
    const cancelQuota = this.quota.acquire(() => {
      const cancelWindow = this.sendInWindow(message, size, done, () => this.quota.release())
      cancelSend = () => cancelWindow()
    })
    return () => {
      cancelQuota()
      cancelSend()
    }
  }

  private sendInWindow(
    message: MqttMessage,
    size: number,
    done: (code?: number) => void,
    after: () => void
  ): () => void {
    const giveBack = () => {
      this.window.release(size)
      after()
    }
    let cancelPace: () => boolean = () => false
    const cancelWindow = this.window.acquire(size, () => {
      cancelPace = this.pace.schedule(() => {
        const sentAt = processMonotonicMs()
        const answered = message.qos === 0 ? () => {} : this.unanswered.sent(sentAt)
        this.send(message, (code) => {
          answered()
          if (message.qos === 0) this.window.release(size)
          else this.window.acknowledged(size, sentAt)
          after()
          done(code)
        })
      })
    })
    return () => {
      cancelWindow()
      if (cancelPace()) giveBack()
    }
  }
}

const refusedWith = (code: number) => new ConnectionEnded({ reason: { kind: "publishRefused", code } })

interface Waiting {
  readonly go: () => void
}

interface PaceClock {
  /** Monotonic milliseconds. */
  readonly now: () => number
  readonly after: (ms: number, call: () => void) => void
}

/**
 * Spreads publishes in time: never more than the rate in any one second, nine tenths of it in the long run.
 *
 * A tenth of a second's messages may leave at once; after that each waits its turn. Brokers that count in windows of a
 * second, and connections that deliver a little early or late, stay below the rate so.
 */
export class PublishPace {
  private readonly clock: PaceClock
  private readonly intervalMs: number
  private readonly burstMs: number
  private readonly waiters = new ShortLivedSet<Waiting>()
  /** When the next would be due if all were evenly spread. */
  private dueAt = Number.NEGATIVE_INFINITY
  private isPending = false

  /** `perSecond` 0: no limit. */
  constructor(perSecond: number, clock: PaceClock) {
    this.clock = clock
    this.intervalMs = perSecond === 0 ? 0 : perSecond < 10 ? 1_000 / perSecond : 1_000 / (perSecond * 0.9)
    this.burstMs = this.intervalMs * (Math.max(1, Math.floor(perSecond / 10)) - 1)
  }

  /** Calls `go` in its turn; returns the cancellation: true if it had not been called. */
  schedule(go: () => void): () => boolean {
    if (this.intervalMs === 0) {
      go()
      return () => false
    }
    const waiting = { go }
    this.waiters.add(waiting)
    this.sendDue()
    return () => this.waiters.delete(waiting)
  }

  private sendDue(): void {
    if (this.isPending) return
    for (;;) {
      const [next] = this.waiters
      if (next === undefined) return
      const now = this.clock.now()
      const waitMs = this.dueAt - this.burstMs - now
      // A rounding error of a double is no reason for another timer.
      if (waitMs > 0.001) {
        this.isPending = true
        this.clock.after(Math.ceil(waitMs), () => {
          this.isPending = false
          this.sendDue()
        })
        return
      }
      this.waiters.delete(next)
      this.dueAt = Math.max(this.dueAt, now) + this.intervalMs
      next.go()
    }
  }
}

/** The timer keeps no process alive: a connection does. */
const processPaceClock = (now: () => number): PaceClock => ({
  now,
  after: (ms, call) => void setTimeout(call, ms).unref()
})

interface Sent {
  readonly at: number
  overtaken: boolean
}

/**
 * Publishes whose PUBACK is missing although later ones got theirs: PUBACKs come in the order of the publishes (MQTT 3.1.1,
 * 4.6), so the broker has discarded them, as AWS IoT does above its rate. They are sent again on the next connection.
 */
export class UnacknowledgedPublishes {
  /** In order of sending. */
  private readonly open = new ShortLivedSet<Sent>()

  /** Answers what to call when its PUBACK has come. */
  sent(at: number): () => void {
    const entry = { at, overtaken: false }
    this.open.add(entry)
    return () => {
      if (!this.open.delete(entry)) return
      for (const earlier of this.open) {
        if (earlier.overtaken) continue
        if (earlier.at >= entry.at) return
        earlier.overtaken = true
      }
    }
  }

  /** How many of those sent before that moment. */
  overtaken(before: number): number {
    let count = 0
    for (const { at, overtaken } of this.open) {
      if (at >= before) break
      if (overtaken) count += 1
    }
    return count
  }
}
