/**
 * Carries the messages of one direction: in order, several at a time, each acknowledged where it came from only
 * after it was acknowledged where it went.
 *
 * QoS 1 is tried again until it is through, or refused for good by the broker it is for. QoS 0 is carried once.
 */
import { Clock, Deferred, Effect } from "effect"
import type { MqttMessage, MqttRefusal } from "../../messages/mqtt.ts"
import { consume, fromEffect, untilComplete } from "../../runtime/channel.ts"
import { endsWithin } from "../../runtime/ends-within.ts"
import type { AskFailed } from "../../runtime/errors.ts"
import { Mailbox } from "../../runtime/mailbox.ts"
import type { BridgeSide, Origin } from "./side.ts"

export interface Carried {
  /** Names the message at the link it came by. */
  readonly delivery: number
  readonly origin: Origin
  /** As it is published on the other side. */
  readonly message: MqttMessage
}

export interface RelayOptions {
  readonly name: string
  readonly source: BridgeSide
  readonly target: BridgeSide
  /** How many are under way at once. */
  readonly window: number
  /** Called once before a message is published. */
  readonly onDeparture: (message: MqttMessage, now: number) => void
  /** The target will not take the message, whenever it comes. */
  readonly onRefused: (message: MqttMessage, code: number) => Effect.Effect<void>
}

export class Relay {
  carried = 0
  /** QoS 0 that was cut off, and what the target refused. */
  dropped = 0
  private readonly options: RelayOptions
  private readonly mailbox: Mailbox<Carried>
  private readonly done = Deferred.makeUnsafe<void>()
  private underWay = 0

  constructor(options: RelayOptions) {
    this.options = options
    // The link gives at most `window`; after a restart of the link those of before may still be here.
    const capacity = options.window * 4
    this.mailbox = new Mailbox({ name: options.name, capacity, overflow: { policy: "refuse" } })
  }

  get waiting(): number {
    return this.mailbox.depth + this.underWay
  }

  /** A message that finds no room is a mistake of ours: the bridge is restarted and given everything again. */
  add(carried: Carried): Effect.Effect<void> {
    return Effect.suspend(() =>
      this.mailbox.place(carried) === "queued" ? Effect.void : Effect.die(new Error(`${this.options.name} is full`))
    )
  }

  /** Never ends before `drain`. */
  readonly run: Effect.Effect<void, unknown> = Effect.gen({ self: this }, function* () {
    const context = yield* Effect.context<never>()
    const stream = consume(this.mailbox, { concurrency: this.options.window }, (carried) =>
      fromEffect(this.carry(carried), context)
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

  private carry({ delivery, origin, message }: Carried): Effect.Effect<void> {
    const { source, target, onDeparture, onRefused } = this.options
    const acknowledge = Effect.ignore(source.link.tell("Acknowledge", { delivery }))
    const through = Effect.gen({ self: this }, function* () {
      let hasDeparted = false
      for (;;) {
        yield* target.untilUp
        if (message.qos === 1 && source.comesAgain(origin)) return
        if (!hasDeparted) onDeparture(message, yield* Clock.currentTimeMillis)
        hasDeparted = true
        // The link has its own limits; a limit here would let it publish what we have given up.
        const published = target.link.ask("Publish", { message }, { within: "Infinity" })
        const failure = yield* Effect.match(published, { onSuccess: () => undefined, onFailure: (cause) => cause })
        if (failure === undefined) {
          this.carried += 1
          return
        }
        const isRefused = failure._tag === "BrokerRefused"
        if (isRefused) yield* onRefused(message, failure.code)
        if (isRefused || message.qos === 0) {
          this.dropped += 1
          return
        }
        if (isOfSending(failure)) yield* Effect.sleep("100 millis")
      }
    })
    const begin = Effect.sync(() => {
      this.underWay += 1
    })
    const end = Effect.sync(() => {
      this.underWay -= 1
    })
    return Effect.andThen(begin, Effect.ensuring(Effect.andThen(through, acknowledge), end))
  }
}

/** The link itself was in trouble, not its connection: a connection that is lost is awaited. */
const isOfSending = (failure: MqttRefusal | AskFailed): failure is AskFailed =>
  failure._tag === "AskTimeout" || failure._tag === "PeerDown" || failure._tag === "Undeliverable"
