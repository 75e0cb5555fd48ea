/**
 * Forwards the messages of one direction: in order, several batches at a time, each message acknowledged to its source only
 * after the target acknowledged it. A batch is what came together; it is published and acknowledged together. No batch
 * waits here for another: how many are in flight is bounded by the window of the link they came by.
 *
 * QoS 1 is tried again until it is through, or refused for good by the broker it is for; what is refused for now, and
 * what a broker disconnects at each time, is held back for a while. QoS 0 is sent once.
 */
import { Clock, Deferred, Effect, FiberSet, type Scope } from "effect"
import type { FailedPublish, MqttMessage } from "../../messages/mqtt.ts"
import { endsWithin } from "../../runtime/primitives/ends-within.ts"
import { monotonicMs, monotonicNow } from "../../runtime/primitives/monotonic-time.ts"
import { wallMs } from "../../runtime/primitives/wall-time.ts"
import { type Batch, ConnectionBatches, type InFlightMessage, isDisconnect, refusedForGood } from "./batch.ts"
import { messageSpan } from "./message-span.ts"
import { PoisonMessages } from "./poison-messages.ts"
import { SharedLock } from "./shared-lock.ts"
import type { BridgeSide } from "./side.ts"
import { Traffic } from "./traffic.ts"

interface RelayOptions {
  readonly direction: "outbound" | "inbound"
  readonly source: BridgeSide
  readonly target: BridgeSide
  /** Called once before a message is published, and again after `afterRefusal`. */
  readonly beforePublish: (inFlight: InFlightMessage, now: number) => void
  /** The target has refused it. */
  readonly afterRefusal: (inFlight: InFlightMessage, now: number) => void
  /** The target will not take the message, whenever it comes. */
  readonly onRefused: (message: MqttMessage, code: number) => Effect.Effect<void>
  /** The first of a topic that is refused for now. Undefined: the target ended every connection at it. */
  readonly onHeldBack: (message: MqttMessage, code: number | undefined) => Effect.Effect<void>
}

/** Batches in flight end with the scope. */
export const makeRelay = (options: RelayOptions): Effect.Effect<Relay, never, Scope.Scope> =>
  Effect.gen(function* () {
    const inFlight = yield* FiberSet.make<void, never>()
    return new Relay(options, inFlight, yield* FiberSet.runtime(inFlight)())
  })

type Start = (batch: Effect.Effect<void>) => void

export class Relay {
  readonly traffic: Traffic
  private readonly options: RelayOptions
  private readonly inFlight: FiberSet.FiberSet<void, never>
  private readonly start: Start
  private readonly stopping = Deferred.makeUnsafe<void>()
  /** Topics of what is held back, and was told. */
  private readonly told = new Set<string>()
  private readonly poison = new PoisonMessages()
  private readonly batches = new ConnectionBatches<InFlightMessage>()
  private readonly sending = new SharedLock()

  constructor(options: RelayOptions, inFlight: FiberSet.FiberSet<void, never>, start: Start) {
    this.options = options
    this.traffic = new Traffic(options.direction)
    this.inFlight = inFlight
    this.start = start
  }

  add(batch: Batch): Effect.Effect<void> {
    return Effect.map(Clock.Clock, (clock) => {
      this.traffic.arrived(batch, monotonicMs(clock), () => wallMs(clock))
      this.start(messageSpan(this.options.direction, batch, this.forward(batch)))
    })
  }

  /** Fails with the first defect of a batch. */
  get failed(): Effect.Effect<void> {
    return FiberSet.join(this.inFlight)
  }

  /** Finishes what can be finished. What cannot stays with its broker. */
  readonly drain: Effect.Effect<void> = Effect.gen({ self: this }, function* () {
    yield* Deferred.succeed(this.stopping, undefined)
    if (!this.options.target.isUp) return
    const finished = yield* Effect.forkDetach(FiberSet.awaitEmpty(this.inFlight))
    if (!(yield* endsWithin(finished, "20 seconds"))) finished.interruptUnsafe()
  })

  private forward(batch: Batch): Effect.Effect<void> {
    const open = new Set(batch.messages)
    const end = Effect.map(monotonicNow, (now) => {
      this.traffic.ended(batch, open, now)
      for (const one of batch.messages) this.poison.settled(one, false)
      if (this.told.size > 0) for (const { message } of batch.messages) this.told.delete(message.topic)
    })
    const through = Effect.flatMap(this.publishAll(batch, open), (left) => this.settle(open, left))
    return Effect.ensuring(through, end)
  }

  /** Answers what is left to its broker. */
  private readonly publishAll = Effect.fnUntraced(
    { self: this },
    function* (
      this: Relay,
      { origin, messages }: Batch,
      open: Set<InFlightMessage>
    ): Effect.fn.Return<ReadonlyArray<InFlightMessage>> {
      const { source, target } = this.options
      const announced = new Set<InFlightMessage>()
      let left = messages
      let last = 0
      for (let pauseMs = shortestPauseMs; left.length > 0; ) {
        const connection = yield* target.upAfter(last)
        if (source.willBeRedelivered(origin)) left = left.filter(({ message }) => message.qos === 0)
        if (left.length === 0) return left
        const now = yield* monotonicNow
        const selection = this.choose(left, now)
        if (selection.messages.length === 0) {
          yield* this.settle(open, left)
          if (yield* Deferred.isDone(this.stopping)) return left
          yield* this.traffic.holdingBack(left.length, this.pauseUntilTried(left, now))
          continue
        }
        this.announce(selection.messages, announced, now)
        const sent = yield* this.send(selection, connection)
        if (sent === "reselect") continue
        if (sent === "disconnected" || sent.wasDisconnected) last = connection
        if (sent === "disconnected") continue
        const { retry, refused } = sent
        for (const one of refused) announced.delete(one)
        left = left.filter((one) => !selection.messages.includes(one) || retry.includes(one))
        // Those that a lost connection left, or that have not been sent yet, are not held up by those that were refused.
        if (refused.length === 0 || left.length > refused.length) continue
        yield* this.settle(open, left)
        if (yield* Deferred.isDone(this.stopping)) return left
        yield* this.traffic.holdingBack(left.length, this.pause(pauseMs))
        pauseMs = Math.min(2 * pauseMs, longestPauseMs)
      }
      return left
    }
  )

  /** What is sent next of a batch, in order; nothing while all of it is held back. */
  private choose(left: ReadonlyArray<InFlightMessage>, now: number): Selection {
    const { isCautious } = this.poison
    const free = left.filter(({ message }) => message.qos === 0 || this.poison.heldBack(message) === undefined)
    if (free.length > 0) return { messages: isCautious ? free.slice(0, 1) : free, isExclusive: isCautious }
    const due = left.find(({ message }) => (this.poison.heldBack(message)?.until ?? 0) <= now)
    return { messages: due === undefined ? [] : [due], isExclusive: true }
  }

  /** `reselect`: a message became suspect meanwhile. `disconnected`: not sent, the connection is no more. */
  private send(
    { messages, isExclusive }: Selection,
    connection: number
  ): Effect.Effect<Unfinished | "reselect" | "disconnected"> {
    const work = Effect.suspend((): Effect.Effect<Unfinished | "reselect" | "disconnected"> => {
      const isSuspect = messages.some(({ message }) => this.poison.heldBack(message) !== undefined)
      return !isExclusive && (this.poison.isCautious || isSuspect)
        ? Effect.succeed("reselect")
        : this.publish(messages, connection)
    })
    return this.sending.use(isExclusive, work)
  }

  private pauseUntilTried(left: ReadonlyArray<InFlightMessage>, now: number): Effect.Effect<void> {
    const until = Math.min(...left.map(({ message }) => this.poison.heldBack(message)?.until ?? now))
    const ended = [this.options.source.upAgain, Deferred.await(this.stopping)]
    return Effect.raceAllFirst([Effect.sleep(Math.max(until - now, shortestPauseMs)), ...ended])
  }

  /** A connection that is new may make a difference: the broker has another mind, or the source gives it again. */
  private pause(ms: number): Effect.Effect<void> {
    const { source, target } = this.options
    return Effect.raceAllFirst([Effect.sleep(ms), target.upAgain, source.upAgain, Deferred.await(this.stopping)])
  }

  /** Acknowledges what is not left. */
  private settle(open: Set<InFlightMessage>, left: ReadonlyArray<InFlightMessage>): Effect.Effect<void> {
    return Effect.flatMap(monotonicNow, (now) => {
      const kept = new Set(left)
      const done = [...open].filter((one) => !kept.has(one))
      if (done.length === 0) return Effect.void
      for (const one of done) open.delete(one)
      this.traffic.settled(done, now)
      const deliveries = done.map(({ delivery }) => delivery)
      return Effect.ignore(this.options.source.link.tell("Acknowledge", { deliveries }))
    })
  }

  /** Once for each, and again after a refusal. */
  private announce(selection: ReadonlyArray<InFlightMessage>, announced: Set<InFlightMessage>, now: number): void {
    for (const one of selection) {
      if (announced.has(one)) continue
      announced.add(one)
      this.options.beforePublish(one, now)
    }
  }

  private publish(
    batch: ReadonlyArray<InFlightMessage>,
    connection: number
  ): Effect.Effect<Unfinished | "disconnected"> {
    const messages = batch.map(({ message }) => message)
    this.batches.begin(connection)
    // The link has its own limits; a limit here would let it publish what we have given up.
    const published = Effect.flatMap(monotonicNow, (now) => {
      this.traffic.sending(batch, now)
      return this.options.target.link.ask("PublishAll", { messages, connection }, { within: "Infinity" })
    })
    return Effect.matchEffect(published, {
      onSuccess: ({ sent, failed }): Effect.Effect<Unfinished | "disconnected"> =>
        sent ? this.judge(batch, failed, connection) : Effect.as(this.settleBatch(connection, []), "disconnected"),
      // The link itself was in trouble, not its connection: a connection that is lost is awaited.
      onFailure: () => Effect.delay(this.judge(batch, [...batch.keys()].map(noReason), connection), "100 millis")
    }).pipe(Effect.onInterrupt(() => Effect.sync(() => void this.batches.settle(connection, []))))
  }

  private readonly judge = Effect.fnUntraced(
    { self: this },
    function* (
      this: Relay,
      batch: ReadonlyArray<InFlightMessage>,
      failed: ReadonlyArray<Failed>,
      connection: number
    ): Effect.fn.Return<Unfinished> {
      const retry: Array<InFlightMessage> = []
      const refused: Array<InFlightMessage> = []
      const unacknowledged: Array<InFlightMessage> = []
      let wasDisconnected = false
      const unanswered = new Set(failed.map(({ index }) => index))
      this.traffic.taken(batch, unanswered, yield* monotonicNow)
      for (const [index, one] of batch.entries()) if (!unanswered.has(index)) this.poison.settled(one, true)
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
        this.poison.settled(one, false)
        if (isForGood) yield* this.options.onRefused(one.message, code)
        else {
          refused.push(one)
          yield* this.holdBack(one.message, code)
        }
      }
      yield* this.settleBatch(connection, unacknowledged)
      return { retry, refused, wasDisconnected }
    }
  )

  private settleBatch(connection: number, unacknowledged: ReadonlyArray<InFlightMessage>): Effect.Effect<void> {
    return Effect.flatMap(monotonicNow, (now) => {
      const inFlight = this.batches.settle(connection, unacknowledged)
      const culprit = this.poison.disconnected(inFlight, now)
      return culprit === undefined ? Effect.void : this.options.onHeldBack(culprit.message, undefined)
    })
  }

  private holdBack(message: MqttMessage, code: number): Effect.Effect<void> {
    if (this.told.has(message.topic)) return Effect.void
    this.told.add(message.topic)
    return this.options.onHeldBack(message, code)
  }
}

interface Selection {
  readonly messages: ReadonlyArray<InFlightMessage>
  /** Nothing else may be in flight then. */
  readonly isExclusive: boolean
}

interface Unfinished {
  /** To be tried again. */
  readonly retry: ReadonlyArray<InFlightMessage>
  /** Those of them that were refused for now. */
  readonly refused: ReadonlyArray<InFlightMessage>
  /** The connection ended before all was answered. */
  readonly wasDisconnected: boolean
}

const shortestPauseMs = 1_000
const longestPauseMs = 30_000

/** Without a refusal it was the link that was in trouble. */
type Failed = Pick<FailedPublish, "index"> & Partial<FailedPublish>

const noReason = (index: number): Failed => ({ index })
