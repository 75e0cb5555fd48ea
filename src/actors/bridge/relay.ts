/**
 * Carries the messages of one direction: in order, several loads at a time, each message acknowledged where it came from
 * only after it was acknowledged where it went. A load is what came together; it is published and acknowledged together.
 *
 * QoS 1 is tried again until it is through, or refused for good by the broker it is for. QoS 0 is carried once.
 */
import { Clock, Deferred, Effect } from "effect"
import type { FailedPublish, MqttMessage } from "../../messages/mqtt.ts"
import { consume, fromEffect, untilComplete } from "../../runtime/channel.ts"
import { endsWithin } from "../../runtime/ends-within.ts"
import { Mailbox } from "../../runtime/mailbox.ts"
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
  /** Called once before a message is published. */
  readonly onDeparture: (carried: Carried, now: number) => void
  /** The target will not take the message, whenever it comes. */
  readonly onRefused: (message: MqttMessage, code: number) => Effect.Effect<void>
}

export class Relay {
  carried = 0
  /** QoS 0 that was cut off, and what the target refused. */
  dropped = 0
  private readonly options: RelayOptions
  private readonly mailbox: Mailbox<Load>
  private readonly done = Deferred.makeUnsafe<void>()
  private held = 0

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
    // An empty stream notices the end only when it looks again.
    this.mailbox.notify()
    if (!this.options.target.isUp) return
    const finished = yield* Effect.forkDetach(Deferred.await(this.done))
    if (!(yield* endsWithin(finished, "20 seconds"))) finished.interruptUnsafe()
  })

  private carry({ origin, carried }: Load): Effect.Effect<void> {
    const { source, target } = this.options
    const through = Effect.gen({ self: this }, function* () {
      let left = carried
      for (let isFirst = true; left.length > 0; isFirst = false) {
        yield* target.untilUp
        if (source.comesAgain(origin)) left = left.filter(({ message }) => message.qos === 0)
        if (isFirst) yield* this.depart(left)
        if (left.length > 0) left = yield* this.publish(left)
      }
    })
    const deliveries = carried.map(({ delivery }) => delivery)
    const acknowledge = Effect.ignore(source.link.tell("Acknowledge", { deliveries }))
    const end = Effect.sync(() => {
      this.held -= carried.length
    })
    return Effect.ensuring(Effect.andThen(through, acknowledge), end)
  }

  private depart(carried: ReadonlyArray<Carried>): Effect.Effect<void> {
    return Effect.map(Clock.currentTimeMillis, (now) => {
      for (const one of carried) this.options.onDeparture(one, now)
    })
  }

  /** Answers what is to be tried again. */
  private publish(carried: ReadonlyArray<Carried>): Effect.Effect<ReadonlyArray<Carried>> {
    const messages = carried.map(({ message }) => message)
    // The link has its own limits; a limit here would let it publish what we have given up.
    const published = this.options.target.link.ask("PublishAll", { messages }, { within: "Infinity" })
    return Effect.matchEffect(published, {
      onSuccess: ({ failed }) => this.judge(carried, failed),
      // The link itself was in trouble, not its connection: a connection that is lost is awaited.
      onFailure: () =>
        Effect.delay(
          this.judge(
            carried,
            [...carried.keys()].map((index) => ({ index }))
          ),
          "100 millis"
        )
    })
  }

  private judge(carried: ReadonlyArray<Carried>, failed: ReadonlyArray<Failed>): Effect.Effect<ReadonlyArray<Carried>> {
    return Effect.gen({ self: this }, function* () {
      this.carried += carried.length - failed.length
      const again: Array<Carried> = []
      for (const { index, refusal } of failed) {
        const one = carried[index]
        if (one === undefined) continue
        const isRefused = refusal?._tag === "BrokerRefused"
        if (isRefused) yield* this.options.onRefused(one.message, refusal.code)
        if (isRefused || one.message.qos === 0) this.dropped += 1
        else again.push(one)
      }
      return again
    })
  }
}

/** Without a refusal it was the link that was in trouble. */
type Failed = Pick<FailedPublish, "index"> & Partial<FailedPublish>
