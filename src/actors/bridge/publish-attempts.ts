/**
 * One attempt to publish messages on a connection, and the outcome of each: accepted, to be retried, refused temporarily
 * or permanently, or the one on which the broker disconnects.
 */
import { Duration, Effect } from "effect"
import type { BridgeRule } from "../../messages/bridge.ts"
import type { FailedPublish, MqttMessage, MqttRefusal } from "../../messages/mqtt.ts"
import { monotonicNow, preciseNow } from "../../runtime/primitives/monotonic-time.ts"
import { ShortLivedMap, ShortLivedSet } from "../../runtime/primitives/short-lived.ts"
import type { CloudLimits } from "./cloud-limits.ts"
import { PoisonMessages } from "./poison-messages.ts"
import type { Direction } from "./rules.ts"
import type { Batch, BridgeSide, InFlightMessage } from "./side.ts"
import { Traffic } from "./traffic.ts"

export interface RelayOptions {
  readonly direction: Direction
  readonly rules: ReadonlyArray<BridgeRule>
  /** Reason for which the target would refuse a topic. */
  readonly against: CloudLimits["against"]
  readonly source: BridgeSide
  readonly target: BridgeSide
  /** Called once before a message is published, and again after `afterRefusal`. */
  readonly beforePublish: (inFlight: InFlightMessage, now: number) => void
  /** The target has refused it. */
  readonly afterRefusal: (inFlight: InFlightMessage, now: number) => void
  /** The target will never accept the message. */
  readonly onRefused: (message: MqttMessage, code: number) => Effect.Effect<void>
  /** The first of a topic that is refused temporarily. Undefined: the target ended every connection on it. */
  readonly onHeldBack: (message: MqttMessage, code: number | undefined) => Effect.Effect<void>
}

export interface Selection {
  readonly messages: ReadonlyArray<InFlightMessage>
  /** Nothing else may be in flight then. */
  readonly isExclusive: boolean
}

interface Unfinished {
  /** To be retried. */
  readonly retry: ReadonlyArray<InFlightMessage>
  /** Those of them that were refused temporarily. */
  readonly refused: ReadonlyArray<InFlightMessage>
  /** The connection ended before all outcomes were known. */
  readonly wasDisconnected: boolean
}

export class PublishAttempts {
  readonly traffic: Traffic
  readonly poison = new PoisonMessages()
  private readonly options: RelayOptions
  /** Topics of held-back messages: each is reported once. */
  private readonly reportedTopics = new Set<string>()
  private readonly batches = new ConnectionBatches<InFlightMessage>()
  private readonly sending = new SharedLock()

  constructor(options: RelayOptions) {
    this.options = options
    this.traffic = new Traffic(options.direction)
  }

  /** The bridge is done with the batch. */
  ended(batch: Batch, now: number): void {
    this.traffic.ended(batch, now)
    if (!this.poison.isQuiet) for (const one of batch.messages) this.poison.done(one, false)
    if (this.reportedTopics.size > 0)
      for (const { message } of batch.messages) this.reportedTopics.delete(message.topic)
  }

  /** `reselect`: a message became suspect meanwhile. `disconnected`: not sent, the connection is closed. */
  send(
    { messages, isExclusive }: Selection,
    connection: number
  ): Effect.Effect<Unfinished | "reselect" | "disconnected"> {
    const work = Effect.suspend((): Effect.Effect<Unfinished | "reselect" | "disconnected"> => {
      const { poison } = this
      const isSuspect = () =>
        poison.isCautious || messages.some(({ message }) => poison.heldBack(message) !== undefined)
      return !isExclusive && !poison.isQuiet && isSuspect()
        ? Effect.succeed("reselect")
        : this.publish(messages, connection)
    })
    return this.sending.use(isExclusive, work)
  }

  private publish(
    batch: ReadonlyArray<InFlightMessage>,
    connection: number
  ): Effect.Effect<Unfinished | "disconnected"> {
    const messages = batch.map(({ message }) => message)
    this.batches.begin(connection)
    // The link has its own limits; a limit here would let it publish messages that were given up.
    const published = Effect.flatMap(preciseNow, (now) => {
      this.traffic.sending(batch, now)
      return this.options.target.link.ask("PublishAll", { messages, connection }, noLimit)
    })
    return Effect.matchEffect(published, {
      onSuccess: ({ sent, failed }): Effect.Effect<Unfinished | "disconnected"> =>
        sent ? this.judge(batch, failed, connection) : Effect.as(this.endBatch(connection, []), "disconnected"),
      // The link itself failed, not its connection: a lost connection is awaited.
      onFailure: () => Effect.delay(this.judge(batch, [...batch.keys()].map(noReason), connection), "100 millis")
    }).pipe(Effect.onInterrupt(() => Effect.sync(() => void this.batches.end(connection, []))))
  }

  private readonly judge = Effect.fnUntraced(
    { self: this },
    function* (
      this: PublishAttempts,
      batch: ReadonlyArray<InFlightMessage>,
      failed: ReadonlyArray<Failed>,
      connection: number
    ): Effect.fn.Return<Unfinished> {
      const retry: Array<InFlightMessage> = []
      const refused: Array<InFlightMessage> = []
      const unacknowledged: Array<InFlightMessage> = []
      let wasDisconnected = false
      const unanswered = new Set(failed.map(({ index }) => index))
      this.traffic.taken(batch, unanswered, yield* preciseNow)
      if (!this.poison.isQuiet)
        for (const [index, one] of batch.entries()) if (!unanswered.has(index)) this.poison.done(one, true)
      for (const { index, refusal } of failed) {
        const one = batch[index]
        if (one === undefined) continue
        const code = refusal?._tag === "BrokerRefused" ? refusal.code : undefined
        if (code !== undefined) this.options.afterRefusal(one, yield* monotonicNow)
        // QoS 0 is refused only here, before it is sent.
        const isForGood = one.message.qos === 0 || (code !== undefined && refusedForGood.has(code))
        if (isForGood) this.traffic.dropped += 1
        else retry.push(one)
        if (code === undefined) {
          wasDisconnected ||= refusal !== undefined
          if (refusal !== undefined && isDisconnect(refusal) && !isForGood) unacknowledged.push(one)
          continue
        }
        this.poison.done(one, false)
        if (isForGood) yield* this.options.onRefused(one.message, code)
        else {
          refused.push(one)
          yield* this.holdBack(one.message, code)
        }
      }
      yield* this.endBatch(connection, unacknowledged)
      return { retry, refused, wasDisconnected }
    }
  )

  private endBatch(connection: number, unacknowledged: ReadonlyArray<InFlightMessage>): Effect.Effect<void> {
    return Effect.flatMap(monotonicNow, (now) => {
      const inFlight = this.batches.end(connection, unacknowledged)
      const culprit = inFlight.length === 0 ? undefined : this.poison.disconnected(inFlight, now)
      return culprit === undefined ? Effect.void : this.options.onHeldBack(culprit.message, undefined)
    })
  }

  private holdBack(message: MqttMessage, code: number): Effect.Effect<void> {
    if (this.reportedTopics.has(message.topic)) return Effect.void
    this.reportedTopics.add(message.topic)
    return this.options.onHeldBack(message, code)
  }
}

const noLimit = { within: Duration.infinity }

/** The batches in flight on each connection: the unacknowledged messages are known when the last has ended. */
class ConnectionBatches<Message> {
  private readonly open = new ShortLivedMap<number, { batches: number; readonly unacknowledged: Array<Message> }>()

  begin(connection: number): void {
    const current = this.open.get(connection)
    if (current === undefined) this.open.set(connection, { batches: 1, unacknowledged: [] })
    else current.batches += 1
  }

  /** `unacknowledged`: those of one batch when the connection ended. Returns all of them once no batch is left. */
  end(connection: number, unacknowledged: ReadonlyArray<Message>): ReadonlyArray<Message> {
    const current = this.open.get(connection)
    if (current === undefined) return []
    current.unacknowledged.push(...unacknowledged)
    current.batches -= 1
    if (current.batches > 0) return []
    this.open.delete(connection)
    return current.unacknowledged
  }
}

/** The broker closed the connection; not the network, and not we because of a missing ping. */
const isDisconnect = (refusal: MqttRefusal): boolean =>
  refusal._tag === "BrokerDisconnected" ||
  (refusal._tag === "ConnectionLost" && refusal.stage === "connected" && refusal.endedBy !== "network")

/** MQTT 5.0, 3.4.2.1: not authorised, topic name invalid, packet too large, payload format invalid. The others are temporary. */
const refusedForGood: ReadonlySet<number> = new Set([0x87, 0x90, 0x95, 0x99])

/** Without a refusal the link itself failed. */
type Failed = Pick<FailedPublish, "index"> & Partial<FailedPublish>

const noReason = (index: number): Failed => ({ index })

interface Waiting {
  readonly isExclusive: boolean
  readonly go: () => void
}

/** A lock with many shared holders, or one exclusive; first come, first served. */
class SharedLock {
  private holders = 0
  private isExclusivelyHeld = false
  private readonly waiters = new ShortLivedSet<Waiting>()

  /** Interrupting it releases the lock, or the place in the queue. */
  use<A, E, R>(isExclusive: boolean, work: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.suspend(() => {
      let isHeld = false
      const hold = () => {
        isHeld = true
      }
      const acquired = Effect.suspend(() => {
        if (this.waiters.size > 0 || !this.mayEnter(isExclusive)) return this.queued(isExclusive, hold)
        this.enter(isExclusive)
        hold()
        return Effect.void
      })
      const released = Effect.sync(() => {
        if (isHeld) this.release(isExclusive)
      })
      return Effect.ensuring(Effect.andThen(acquired, work), released)
    })
  }

  private queued(isExclusive: boolean, hold: () => void): Effect.Effect<void> {
    return Effect.callback((resume) => {
      const waiting: Waiting = {
        isExclusive,
        go: () => {
          hold()
          resume(Effect.void)
        }
      }
      this.waiters.add(waiting)
      this.admitNext()
      return Effect.sync(() => {
        if (this.waiters.delete(waiting)) this.admitNext()
      })
    })
  }

  private mayEnter(isExclusive: boolean): boolean {
    return !this.isExclusivelyHeld && !(isExclusive && this.holders > 0)
  }

  private enter(isExclusive: boolean): void {
    this.holders += 1
    this.isExclusivelyHeld = isExclusive
  }

  private release(isExclusive: boolean): void {
    this.holders -= 1
    if (isExclusive) this.isExclusivelyHeld = false
    this.admitNext()
  }

  private admitNext(): void {
    for (;;) {
      const next = this.waiters.first
      if (next === undefined || !this.mayEnter(next.isExclusive)) return
      this.waiters.delete(next)
      this.enter(next.isExclusive)
      next.go()
    }
  }
}
