/**
 * Carries the messages of one direction: in order, several loads at a time, each message acknowledged where it came from
 * only after it was acknowledged where it went. A load is what came together; it is published and acknowledged together.
 *
 * QoS 1 is tried again until it is through, or refused for good by the broker it is for; what is refused for now, and
 * what a broker hangs up on each time, is held back for a while. QoS 0 is carried once.
 */
import { Deferred, Effect } from "effect"
import type { FailedPublish, MqttMessage } from "../../messages/mqtt.ts"
import { consume, fromEffect, untilComplete } from "../../runtime/channel.ts"
import { Mailbox } from "../../runtime/mailbox.ts"
import { endsWithin } from "../../runtime/primitives/ends-within.ts"
import { monotonicNow } from "../../runtime/primitives/monotonic-time.ts"
import { Flights } from "./flights.ts"
import { HangUps } from "./hang-ups.ts"
import { isHangUp, refusedForGood } from "./publish-outcome.ts"
import { Road } from "./road.ts"
import type { BridgeSide, Origin } from "./side.ts"

export interface Load {
  readonly origin: Origin
  readonly carried: ReadonlyArray<Carried>
}

export interface Carried {
  /** Names the message at the link it came by. */
  readonly delivery: number
  /** As it is published on the other side. */
  readonly message: MqttMessage
  /** The broker there gives it back to us. */
  readonly comesBack: boolean
}

export interface RelayOptions {
  readonly name: string
  readonly source: BridgeSide
  readonly target: BridgeSide
  /** How many loads are under way at once. How many messages, is for the links to bound. */
  readonly window: number
  /** Called once before a message is published, and again after `onReturn`. */
  readonly onDeparture: (carried: Carried, now: number) => void
  /** The target has refused it. */
  readonly onReturn: (carried: Carried, now: number) => void
  /** The target will not take the message, whenever it comes. */
  readonly onRefused: (message: MqttMessage, code: number) => Effect.Effect<void>
  /** The first of a topic that is refused for now. Undefined: the target ended every connection at it. */
  readonly onHeldBack: (message: MqttMessage, code: number | undefined) => Effect.Effect<void>
}

export class Relay {
  carried = 0
  /** QoS 0 that was cut off, and what the target refused. */
  dropped = 0
  private readonly options: RelayOptions
  private readonly mailbox: Mailbox<Load>
  private readonly done = Deferred.makeUnsafe<void>()
  private readonly stopping = Deferred.makeUnsafe<void>()
  private held = 0
  /** Topics of what is held back, and was told. */
  private readonly told = new Set<string>()
  private readonly hangUps = new HangUps()
  private readonly flights = new Flights<Carried>()
  private readonly road = new Road()

  constructor(options: RelayOptions) {
    this.options = options
    // The link gives at most `window`; after a restart of the link those of before may still be here.
    const capacity = options.window * 4
    this.mailbox = new Mailbox({ name: options.name, capacity, overflow: { policy: "refuse" } })
  }

  get waiting(): number {
    return this.held
  }

  /** A load that finds no room is a mistake of ours: the bridge is restarted and given everything again. */
  add(load: Load): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.held += load.carried.length
      if (this.mailbox.place(load) === "queued") return Effect.void
      return Effect.die(new Error(`${this.options.name} is full`))
    })
  }

  /** Never ends before `drain`. */
  readonly run: Effect.Effect<void, unknown> = Effect.gen({ self: this }, function* () {
    const context = yield* Effect.context<never>()
    const stream = consume(this.mailbox, { concurrency: this.options.window }, (load) =>
      fromEffect(this.carry(load), context)
    )
    yield* Effect.ensuring(untilComplete(stream), Deferred.succeed(this.done, undefined))
  })

  /** Takes nothing more and finishes what can be finished. What cannot stays with its broker. */
  readonly drain: Effect.Effect<void> = Effect.gen({ self: this }, function* () {
    this.mailbox.close()
    yield* Deferred.succeed(this.stopping, undefined)
    // An empty stream notices the end only when it looks again.
    this.mailbox.notify()
    if (!this.options.target.isUp) return
    const finished = yield* Effect.forkDetach(Deferred.await(this.done))
    if (!(yield* endsWithin(finished, "20 seconds"))) finished.interruptUnsafe()
  })

  private carry(load: Load): Effect.Effect<void> {
    const open = new Set(load.carried)
    const end = Effect.sync(() => {
      this.held -= open.size
      for (const one of load.carried) this.hangUps.settled(one, false)
      if (this.told.size > 0) for (const { message } of load.carried) this.told.delete(message.topic)
    })
    const through = Effect.flatMap(this.passOn(load, open), (left) => this.settle(open, left))
    return Effect.ensuring(through, end)
  }

  /** Answers what is left to its broker. */
  private readonly passOn = Effect.fnUntraced(
    { self: this },
    function* (this: Relay, { origin, carried }: Load, open: Set<Carried>): Effect.fn.Return<ReadonlyArray<Carried>> {
      const { source, target } = this.options
      const departed = new Set<Carried>()
      let left = carried
      let last = 0
      for (let pauseMs = shortestPauseMs; left.length > 0; ) {
        const connection = yield* target.upAfter(last)
        if (source.willBeRedelivered(origin)) left = left.filter(({ message }) => message.qos === 0)
        if (left.length === 0) return left
        const now = yield* monotonicNow
        const going = this.choose(left, now)
        if (going.messages.length === 0) {
          yield* this.settle(open, left)
          if (yield* Deferred.isDone(this.stopping)) return left
          yield* this.pauseUntilTried(left, now)
          continue
        }
        this.depart(going.messages, departed, now)
        const flown = yield* this.fly(going, connection)
        if (flown === "again") continue
        if (flown === "gone" || flown.wasCut) last = connection
        if (flown === "gone") continue
        const { again, refused } = flown
        for (const one of refused) departed.delete(one)
        left = left.filter((one) => !going.messages.includes(one) || again.includes(one))
        // Those that were cut off, or have not been sent yet, are not held up by those that were refused.
        if (refused.length === 0 || left.length > refused.length) continue
        yield* this.settle(open, left)
        if (yield* Deferred.isDone(this.stopping)) return left
        yield* this.pause(pauseMs)
        pauseMs = Math.min(2 * pauseMs, longestPauseMs)
      }
      return left
    }
  )

  /** What is sent next of a load, in order; nothing while all of it is held back. */
  private choose(left: ReadonlyArray<Carried>, now: number): Going {
    const { isCautious } = this.hangUps
    const free = left.filter(({ message }) => message.qos === 0 || this.hangUps.heldBack(message) === undefined)
    if (free.length > 0) return { messages: isCautious ? free.slice(0, 1) : free, isAlone: isCautious }
    const ripe = left.find(({ message }) => (this.hangUps.heldBack(message)?.until ?? 0) <= now)
    return { messages: ripe === undefined ? [] : [ripe], isAlone: true }
  }

  /** `again`: choose again, as a message became suspect meanwhile. `gone`: not sent, the connection is no more. */
  private fly({ messages, isAlone }: Going, connection: number): Effect.Effect<Unfinished | "again" | "gone"> {
    const work = Effect.suspend((): Effect.Effect<Unfinished | "again" | "gone"> => {
      const isSuspect = messages.some(({ message }) => this.hangUps.heldBack(message) !== undefined)
      return !isAlone && (this.hangUps.isCautious || isSuspect)
        ? Effect.succeed("again")
        : this.publish(messages, connection)
    })
    return this.road.use(isAlone, work)
  }

  private pauseUntilTried(left: ReadonlyArray<Carried>, now: number): Effect.Effect<void> {
    const until = Math.min(...left.map(({ message }) => this.hangUps.heldBack(message)?.until ?? now))
    const ended = [this.options.source.upAgain, Deferred.await(this.stopping)]
    return Effect.raceAllFirst([Effect.sleep(Math.max(until - now, shortestPauseMs)), ...ended])
  }

  /** A connection that is new may make a difference: the broker has another mind, or the source gives it again. */
  private pause(ms: number): Effect.Effect<void> {
    const { source, target } = this.options
    return Effect.raceAllFirst([Effect.sleep(ms), target.upAgain, source.upAgain, Deferred.await(this.stopping)])
  }

  /** Acknowledges what is not left. */
  private settle(open: Set<Carried>, left: ReadonlyArray<Carried>): Effect.Effect<void> {
    return Effect.suspend(() => {
      const kept = new Set(left)
      const done = [...open].filter((one) => !kept.has(one))
      if (done.length === 0) return Effect.void
      for (const one of done) open.delete(one)
      this.held -= done.length
      const deliveries = done.map(({ delivery }) => delivery)
      return Effect.ignore(this.options.source.link.tell("Acknowledge", { deliveries }))
    })
  }

  /** Once for each, and again after a refusal. */
  private depart(going: ReadonlyArray<Carried>, departed: Set<Carried>, now: number): void {
    for (const one of going) {
      if (departed.has(one)) continue
      departed.add(one)
      this.options.onDeparture(one, now)
    }
  }

  private publish(carried: ReadonlyArray<Carried>, connection: number): Effect.Effect<Unfinished | "gone"> {
    const messages = carried.map(({ message }) => message)
    this.flights.depart(connection)
    // The link has its own limits; a limit here would let it publish what we have given up.
    const published = this.options.target.link.ask("PublishAll", { messages, connection }, { within: "Infinity" })
    return Effect.matchEffect(published, {
      onSuccess: ({ sent, failed }): Effect.Effect<Unfinished | "gone"> =>
        sent ? this.judge(carried, failed, connection) : Effect.as(this.land(connection, []), "gone"),
      // The link itself was in trouble, not its connection: a connection that is lost is awaited.
      onFailure: () => Effect.delay(this.judge(carried, [...carried.keys()].map(noReason), connection), "100 millis")
    }).pipe(Effect.onInterrupt(() => Effect.sync(() => void this.flights.land(connection, []))))
  }

  private readonly judge = Effect.fnUntraced(
    { self: this },
    function* (
      this: Relay,
      carried: ReadonlyArray<Carried>,
      failed: ReadonlyArray<Failed>,
      connection: number
    ): Effect.fn.Return<Unfinished> {
      this.carried += carried.length - failed.length
      const again: Array<Carried> = []
      const refused: Array<Carried> = []
      const cut: Array<Carried> = []
      let wasCut = false
      const unanswered = new Set(failed.map(({ index }) => index))
      for (const [index, one] of carried.entries()) if (!unanswered.has(index)) this.hangUps.settled(one, true)
      for (const { index, refusal } of failed) {
        const one = carried[index]
        if (one === undefined) continue
        const code = refusal?._tag === "BrokerRefused" ? refusal.code : undefined
        if (code !== undefined) this.options.onReturn(one, yield* monotonicNow)
        // QoS 0 is refused only here, before it is sent.
        const isForGood = one.message.qos === 0 || (code !== undefined && refusedForGood.has(code))
        if (isForGood) this.dropped += 1
        else again.push(one)
        if (code === undefined) {
          wasCut ||= refusal !== undefined
          if (refusal !== undefined && isHangUp(refusal) && !isForGood) cut.push(one)
          continue
        }
        this.hangUps.settled(one, false)
        if (isForGood) yield* this.options.onRefused(one.message, code)
        else {
          refused.push(one)
          yield* this.holdBack(one.message, code)
        }
      }
      yield* this.land(connection, cut)
      return { again, refused, wasCut }
    }
  )

  private land(connection: number, cut: ReadonlyArray<Carried>): Effect.Effect<void> {
    return Effect.flatMap(monotonicNow, (now) => {
      const inFlight = this.flights.land(connection, cut)
      const culprit = this.hangUps.cut(inFlight, now)
      return culprit === undefined ? Effect.void : this.options.onHeldBack(culprit.message, undefined)
    })
  }

  private holdBack(message: MqttMessage, code: number): Effect.Effect<void> {
    if (this.told.has(message.topic)) return Effect.void
    this.told.add(message.topic)
    return this.options.onHeldBack(message, code)
  }
}

interface Going {
  readonly messages: ReadonlyArray<Carried>
  /** Nothing else may be in flight then. */
  readonly isAlone: boolean
}

interface Unfinished {
  /** To be tried again. */
  readonly again: ReadonlyArray<Carried>
  /** Those of them that were refused for now. */
  readonly refused: ReadonlyArray<Carried>
  /** The connection ended before all was answered. */
  readonly wasCut: boolean
}

const shortestPauseMs = 1_000
const longestPauseMs = 30_000

/** Without a refusal it was the link that was in trouble. */
type Failed = Pick<FailedPublish, "index"> & Partial<FailedPublish>

const noReason = (index: number): Failed => ({ index })
