/**
 * Publishing on one connection: within the broker's Receive Maximum, its Maximum Packet Size, and what the network path takes.
 */
import { Effect } from "effect"
import type { MqttMessage } from "../../../messages/mqtt.ts"
import { FifoSemaphore } from "../../../runtime/primitives/fifo-semaphore.ts"
import { processMonotonicMs } from "../../../runtime/primitives/monotonic-time.ts"
import { ConnectionEnded } from "./connection-ended.ts"
import type { ConnectionLifetime } from "./connection-lifetime.ts"
import { InFlightWindow, inFlightSettings } from "./in-flight-window.ts"
import { PublishPace, processPaceClock } from "./publish-pace.ts"
import { type ProtocolVersion, publishSize } from "./publish-packet.ts"
import { packetTooLarge } from "./reason-codes.ts"
import { UnacknowledgedPublishes } from "./unacknowledged-publishes.ts"

export interface Unpublished {
  /** Its place among those that were published together. */
  readonly index: number
  readonly because: ConnectionEnded
}

/** What a broker said in CONNACK that bounds publishing. */
export interface BrokerLimits {
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
