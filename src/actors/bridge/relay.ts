/**
 * Forwards the messages of one direction: each on its route, in order, several batches at a time, each message acknowledged to its source only
 * after the target acknowledged it. A batch contains messages received together; it is published and acknowledged together.
 * Batches do not wait for each other here: the window of the link they came on bounds those in flight.
 *
 * QoS 1 is retried until it is accepted, or permanently refused by the receiving broker; temporarily refused messages, and
 * those on which a broker disconnects, are held back for a while. QoS 0 is sent once.
 */
import { Clock, Deferred, Effect, type Scope } from "effect"
import type { CloudRule } from "../../messages/bridge.ts"
import { BoundedMap } from "../../runtime/primitives/bounded-map.ts"
import { endsWithin } from "../../runtime/primitives/ends-within.ts"
import { monotonicNow, preciseMs, preciseNow } from "../../runtime/primitives/monotonic-time.ts"
import { RunningFibers } from "../../runtime/primitives/running-fibers.ts"
import { wallMs } from "../../runtime/primitives/wall-time.ts"
import { spanned } from "../../runtime/span.ts"
import { PublishAttempts, type RelayOptions, type Selection } from "./publish-attempts.ts"
import { isTopic, targetTopic } from "./rules.ts"
import type { Batch, InFlightMessage } from "./side.ts"
import type { Traffic } from "./traffic.ts"

/** Batches in flight end with the scope. */
export const makeRelay = (options: RelayOptions): Effect.Effect<Relay, never, Scope.Scope> =>
  Effect.map(RunningFibers.make, (inFlight) => new Relay(options, inFlight))

export class Relay {
  readonly traffic: Traffic
  readonly routes: RouteCache
  private readonly options: RelayOptions
  private readonly inFlight: RunningFibers
  private readonly stopping = Deferred.makeUnsafe<void>()
  private readonly attempts: PublishAttempts

  constructor(options: RelayOptions, inFlight: RunningFibers) {
    this.options = options
    this.attempts = new PublishAttempts(options)
    this.traffic = this.attempts.traffic
    this.routes = new RouteCache(options)
    this.inFlight = inFlight
  }

  add(batch: Batch): Effect.Effect<void> {
    return Effect.map(Clock.Clock, (clock) => {
      this.traffic.arrived(batch, preciseMs(clock), () => wallMs(clock))
      const attributes = () => spanAttributes(this.options.direction, batch)
      const options = { kind: "producer", work: this.options.direction, attributes } as const
      this.inFlight.run(spanned("mqtt forward", options, this.forward(batch)))
    })
  }

  /** Fails with the first defect of a batch. */
  get failed(): Effect.Effect<void> {
    return this.inFlight.failed
  }

  /** Completes what can be completed. The rest stays with its broker. */
  readonly drain: Effect.Effect<void> = Effect.gen({ self: this }, function* () {
    yield* Deferred.succeed(this.stopping, undefined)
    if (!this.options.target.isUp) return
    const finished = yield* Effect.forkDetach(this.inFlight.ended)
    if (!(yield* endsWithin(finished, "20 seconds"))) finished.interruptUnsafe()
  })

  private forward(batch: Batch): Effect.Effect<void> {
    const end = Effect.map(preciseNow, (now) => {
      this.attempts.ended(batch, now)
    })
    const through = Effect.flatMap(this.publishAll(batch), (left) => this.acknowledge(batch, left))
    return Effect.ensuring(through, end)
  }

  /** Returns what is left to its broker. */
  private readonly publishAll = Effect.fnUntraced(
    { self: this },
    function* (this: Relay, batch: Batch): Effect.fn.Return<ReadonlyArray<InFlightMessage>> {
      const { source, target } = this.options
      let left = batch.messages
      let last = 0
      for (let pauseMs = shortestPauseMs; left.length > 0; ) {
        const connection = yield* target.upAfter(last)
        if (source.willBeRedelivered(batch.origin)) left = left.filter(({ message }) => message.qos === 0)
        if (left.length === 0) return left
        const now = yield* monotonicNow
        const selection = this.choose(left, now)
        if (selection.messages.length === 0) {
          yield* this.acknowledge(batch, left)
          if (yield* Deferred.isDone(this.stopping)) return left
          yield* this.traffic.holdingBack(left.length, this.pauseUntilTried(left, now))
          continue
        }
        this.announce(selection.messages, now)
        const sent = yield* this.attempts.send(selection, connection)
        if (sent === "reselect") continue
        if (sent === "disconnected" || sent.wasDisconnected) last = connection
        if (sent === "disconnected") continue
        const { retry, refused } = sent
        for (const one of refused) one.isAnnounced = false
        const areAllTaken = retry.length === 0 && selection.messages === left
        left = areAllTaken ? [] : left.filter((one) => !selection.messages.includes(one) || retry.includes(one))
        // Those that a lost connection left, or that have not been sent yet, are not delayed by those that were refused.
        if (refused.length === 0 || left.length > refused.length) continue
        yield* this.acknowledge(batch, left)
        if (yield* Deferred.isDone(this.stopping)) return left
        yield* this.traffic.holdingBack(left.length, this.pause(pauseMs))
        pauseMs = Math.min(2 * pauseMs, longestPauseMs)
      }
      return left
    }
  )

  /** The messages of a batch to send next, in order; none while all are held back. */
  private choose(left: ReadonlyArray<InFlightMessage>, now: number): Selection {
    if (this.attempts.poison.isQuiet) return { messages: left, isExclusive: false }
    const { isCautious } = this.attempts.poison
    const free = left.filter(({ message }) => message.qos === 0 || this.attempts.poison.heldBack(message) === undefined)
    if (free.length > 0) return { messages: isCautious ? free.slice(0, 1) : free, isExclusive: isCautious }
    const due = left.find(({ message }) => (this.attempts.poison.heldBack(message)?.until ?? 0) <= now)
    return { messages: due === undefined ? [] : [due], isExclusive: true }
  }

  private pauseUntilTried(left: ReadonlyArray<InFlightMessage>, now: number): Effect.Effect<void> {
    const until = Math.min(...left.map(({ message }) => this.attempts.poison.heldBack(message)?.until ?? now))
    const ended = [this.options.source.upAgain, Deferred.await(this.stopping)]
    return Effect.raceAllFirst([Effect.sleep(Math.max(until - now, shortestPauseMs)), ...ended])
  }

  /** A new connection may help: the broker may accept now, or the source redelivers. */
  private pause(ms: number): Effect.Effect<void> {
    const { source, target } = this.options
    return Effect.raceAllFirst([Effect.sleep(ms), target.upAgain, source.upAgain, Deferred.await(this.stopping)])
  }

  /** Acknowledges the rest. */
  private acknowledge({ messages }: Batch, left: ReadonlyArray<InFlightMessage>): Effect.Effect<void> {
    return Effect.flatMap(preciseNow, (now) => {
      const kept = new Set(left)
      const done = messages.filter((one) => !one.isAcknowledged && !kept.has(one))
      if (done.length === 0) return Effect.void
      for (const one of done) one.isAcknowledged = true
      this.traffic.acknowledged(done, now)
      const deliveries = done.map(({ delivery }) => delivery)
      return Effect.ignore(this.options.source.link.tell("Acknowledge", { deliveries }))
    })
  }

  /** Once for each, and again after a refusal. */
  private announce(selection: ReadonlyArray<InFlightMessage>, now: number): void {
    for (const one of selection) {
      if (one.isAnnounced) continue
      one.isAnnounced = true
      this.options.beforePublish(one, now)
    }
  }
}

const shortestPauseMs = 1_000
const longestPauseMs = 30_000

/** Topics and sizes, no payload. Attributes: OpenTelemetry semantic conventions for messaging. */
const spanAttributes = (direction: string, { messages }: Batch) => ({
  "messaging.system": "mqtt",
  "messaging.operation.name": "publish",
  "messaging.operation.type": "send",
  "messaging.destination.name": messages[0]?.message.topic,
  "messaging.batch.message_count": messages.length,
  "messaging.message.body.size": messages.reduce((sum, { message }) => sum + message.payload.length, 0),
  "tedge.bridge.direction": direction
})

export interface Route {
  readonly topic: string
  /** False: not a valid topic to publish on. */
  readonly isTopic: boolean
  /** Whether the broker returns it to us, and we would forward it to its source. */
  readonly comesBack: boolean
  /** Reason for which the other side would refuse it. */
  readonly against: CloudRule | undefined
}

/** The routes of one direction, cached: devices use the same few topics again and again. */
class RouteCache {
  private readonly options: RelayOptions
  private readonly known = new BoundedMap<string, Route | undefined>(500)

  constructor(options: RelayOptions) {
    this.options = options
  }

  of(from: string): Route | undefined {
    const known = this.known.get(from)
    if (known !== undefined || this.known.has(from)) return known
    const route = this.find(from)
    this.known.set(from, route)
    return route
  }

  private find(from: string): Route | undefined {
    const { rules, direction, against } = this.options
    const topic = targetTopic(rules, direction, from)
    if (topic === undefined) return undefined
    const back = targetTopic(rules, direction === "outbound" ? "inbound" : "outbound", topic)
    const comesBack = back !== undefined && targetTopic(rules, direction, back) === topic
    return { topic, isTopic: isTopic(topic), comesBack, against: against(topic) }
  }
}
