/**
 * Finds the poison message: one on which a broker disconnects.
 *
 * MQTT 3.1.1 cannot refuse a publish: the broker closes the connection, and would get the same message first on the next.
 * If two connections in a row end with the same oldest message, all messages in flight are suspects and are
 * sent one at a time. The one that ends a third connection, alone, is held back.
 *
 * Held-back messages are identified by topic and content: after a reconnect of their own broker they have another number.
 */
import { createHash } from "node:crypto"
import type { MqttMessage } from "../../messages/mqtt.ts"

interface SentMessage {
  /** In order of arrival. */
  readonly delivery: number
  readonly message: MqttMessage
}

interface Held {
  /** When it may be retried, alone. Milliseconds of the same clock as `now`. */
  readonly until: number
  readonly pauseMs: number
}

export class PoisonMessages {
  /** No suspects and nothing held back, which is the normal state. */
  isQuiet = true
  private suspects = new Set<number>()
  private oldest: number | undefined
  private disconnects = 0
  private readonly held = new Map<string, Held>()
  /** Messages held back by topic, for topics of which none has been accepted since. */
  private readonly topics = new Map<string, number>()

  /** While there are suspects, messages are sent one at a time. */
  get isCautious(): boolean {
    return this.suspects.size > 0
  }

  /** Undefined: not held back. */
  heldBack(message: MqttMessage): Held | undefined {
    if (this.held.size === 0) return undefined
    const key = keyOf(message)
    const held = this.held.get(key)
    if (held !== undefined || (this.topics.get(message.topic) ?? 0) < provenTopic) return held
    // Each message of a topic that is never accepted would cost three connections.
    this.hold(key, { until: Number.NEGATIVE_INFINITY, pauseMs: firstPauseMs })
    return this.held.get(key)
  }

  /** A connection ended with these of QoS 1 unacknowledged. Returns the one that is held back from now on. */
  disconnected(inFlight: ReadonlyArray<SentMessage>, now: number): SentMessage | undefined {
    const culprit = this.culprit(inFlight, now)
    this.look()
    return culprit
  }

  /** The broker accepted it, or it is no longer ours to send. */
  done({ delivery, message }: SentMessage, wasTaken: boolean): void {
    this.forget(delivery)
    if (wasTaken && this.held.size > 0) {
      this.held.delete(keyOf(message))
      this.topics.delete(message.topic)
    }
    this.look()
  }

  private look(): void {
    this.isQuiet = this.suspects.size === 0 && this.held.size === 0 && this.oldest === undefined
  }

  private culprit(inFlight: ReadonlyArray<SentMessage>, now: number): SentMessage | undefined {
    const inOrder = [...inFlight].sort((one, other) => one.delivery - other.delivery)
    const [first] = inOrder
    if (first === undefined) return undefined
    if (inOrder.length === 1 && this.held.has(keyOf(first.message))) {
      this.postpone(first.message, now)
      return undefined
    }
    this.disconnects = first.delivery === this.oldest ? this.disconnects + 1 : 1
    this.oldest = first.delivery
    if (this.disconnects === 2) this.suspects = new Set(inOrder.map(({ delivery }) => delivery))
    if (this.disconnects < 3 || inOrder.length > 1) return undefined
    this.forget(first.delivery)
    this.hold(keyOf(first.message), { until: now + firstPauseMs, pauseMs: firstPauseMs })
    this.topics.set(first.message.topic, (this.topics.get(first.message.topic) ?? 0) + 1)
    return first
  }

  private forget(delivery: number): void {
    this.suspects.delete(delivery)
    if (this.oldest !== delivery) return
    this.oldest = undefined
    this.disconnects = 0
  }

  private hold(key: string, held: Held): void {
    if (this.held.size >= mostHeld) {
      const [oldest = key] = this.held.keys()
      this.held.delete(oldest)
    }
    this.held.set(key, held)
  }

  private postpone(message: MqttMessage, now: number): void {
    const key = keyOf(message)
    const pauseMs = Math.min(2 * (this.held.get(key)?.pauseMs ?? firstPauseMs), longestPauseMs)
    this.held.set(key, { until: now + pauseMs, pauseMs })
  }
}

const keyOf = ({ topic, payload }: MqttMessage): string =>
  `${createHash("sha256").update(payload).digest("base64")} ${topic}`

/** Each attempt costs a connection. */
const firstPauseMs = 5 * 60_000
const longestPauseMs = 60 * 60_000

/** So many different messages of a topic, and none accepted: the topic is the cause. */
const provenTopic = 2

const mostHeld = 1_000
