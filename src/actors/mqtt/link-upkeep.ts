/**
 * The life of a link: dial, subscribe, greet, open the gate, and again when the connection is lost.
 *
 * Nothing else is published before every subscription is confirmed, so that no reply comes before its subscription.
 */
import { Deferred, Effect, Queue, Random } from "effect"
import { BrokerRefused, BrokerSilent, type LinkStatus, type MqttRefusal } from "../../messages/mqtt.ts"
import { cureOf } from "../../messages/mqtt-cure.ts"
import { endsWithin } from "../../runtime/ends-within.ts"
import { monotonicNow } from "../../runtime/monotonic-time.ts"
import { afterFailure, noFailures } from "./back-off.ts"
import type { Connection, Receiver } from "./connection.ts"
import type { Link } from "./link.ts"
import { logPassedOver, logStatus } from "./link-log.ts"

/** Never ends by itself; interrupted, it says good-bye to the broker. */
export const keepUp = (link: Link): Effect.Effect<never> =>
  Effect.gen(function* () {
    let backOff = noFailures
    for (let attempt = 1; ; attempt++) {
      yield* changeStatus(link, { _tag: "Connecting", attempt })
      // What made somebody say "now" before this attempt is taken into account by it.
      yield* Queue.clear(link.retry)
      const { failure, heldMs } = yield* connectOnce(link)
      if (failure === undefined) continue
      backOff = afterFailure(link.options.backOff, backOff, { heldMs, cure: cureOf(failure) }, yield* Random.next)
      yield* changeStatus(link, { _tag: "Down", failure, retryInMs: backOff.waitMs, attempt })
      yield* Effect.raceFirst(Effect.sleep(backOff.waitMs), Queue.take(link.retry))
    }
  })

interface Outcome {
  /** Undefined: nothing is wrong, but another connection is due. */
  readonly failure: MqttRefusal | undefined
  /** How long the gate was open. */
  readonly heldMs: number
}

/** One connection, from dialling to its end. */
const connectOnce = (link: Link): Effect.Effect<Outcome> =>
  Effect.gen(function* () {
    let openedAt: number | undefined
    const connected = Effect.gen(function* () {
      link.connections += 1
      link.again = Deferred.makeUnsafe<void>()
      const connection = yield* link.connect(link.options.target, receiverOf(link))
      const trouble = Effect.flatMap(connection.ended, Effect.fail)
      yield* Effect.raceFirst(prepare(link, connection), trouble)
      openedAt = yield* monotonicNow
      yield* openGate(link, connection)
      const fault = Effect.raceFirst(trouble, unansweredPublish(link))
      const held = Effect.raceFirst(fault, Deferred.await(link.again))
      yield* Effect.onInterrupt(held, () => sayGoodbye(link, connection))
      const { logTarget, side, target } = link.options
      yield* logPassedOver(logTarget, side, !target.cleanSession)
      yield* connection.disconnect
    })
    const failure = yield* Effect.match(Effect.scoped(connected), {
      onSuccess: () => undefined,
      onFailure: (refusal) => refusal
    })
    link.gate.close()
    const endedAt = yield* monotonicNow
    return { failure, heldMs: openedAt === undefined ? 0 : endedAt - openedAt }
  })

const receiverOf = (link: Link): Receiver => {
  const connection = link.connections
  return {
    acknowledged: "later",
    onMessage: (inbound) => {
      link.window.arrive(connection, inbound)
      Queue.offerUnsafe(link.bell, undefined)
    }
  }
}

/** Subscriptions and greeting, each confirmed. */
const prepare = (link: Link, connection: Connection): Effect.Effect<void, MqttRefusal> =>
  Effect.gen(function* () {
    if (connection.sessionPresent) link.window.sessionResumed(link.connections)
    const { filters, greeting } = link.options
    for (let start = 0; start < filters.length; start += filtersAtOnce)
      yield* subscribe(link, connection, filters.slice(start, start + filtersAtOnce))
    for (const message of greeting) yield* inTime(link, "PUBACK", connection.publish(message))
  })

const subscribe = (link: Link, connection: Connection, filters: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const codes = yield* inTime(link, "SUBACK", connection.subscribe(filters, 1))
    const refused = filters.filter((_, index) => codes[index] === 128)
    const { host, port } = link.options.target
    if (refused.length > 0)
      return yield* Effect.fail(new BrokerRefused({ host, port, code: 128, detail: refused.join(", ") }))
  })

const openGate = (link: Link, connection: Connection): Effect.Effect<void> =>
  Effect.gen(function* () {
    // Told before the first message that goes either way.
    yield* changeStatus(link, { _tag: "Up", sessionPresent: connection.sessionPresent })
    link.gate.open(connection)
    yield* Queue.offer(link.bell, undefined)
  })

const changeStatus = (link: Link, status: LinkStatus): Effect.Effect<void> =>
  Effect.gen(function* () {
    link.status = status
    const { side, logTarget } = link.options
    yield* logStatus(logTarget, side, status, link.lastTold)
    if (status._tag !== "Connecting") link.lastTold = status
    // A receiver that has stopped for good needs no news; one that is restarted asks for it.
    yield* Effect.ignore(link.receiver.tell("LinkChanged", { side, status }))
  })

/** Runs also while everything around it is being interrupted, but not for long. */
const sayGoodbye = (link: Link, connection: Connection): Effect.Effect<void> =>
  Effect.gen(function* () {
    const farewell = Effect.forEach(link.options.farewell, connection.publish, { discard: true })
    const goodbye = Effect.andThen(Effect.ignore(farewell), connection.disconnect)
    const fiber = yield* Effect.forkDetach(goodbye)
    if (!(yield* endsWithin(fiber, "3 seconds"))) fiber.interruptUnsafe()
    yield* logStatus(link.options.logTarget, link.options.side, { _tag: "Stopped" }, undefined)
  })

const unansweredPublish = (link: Link): Effect.Effect<never, MqttRefusal> =>
  Effect.andThen(
    link.acks.overdue(pubackWithinMs),
    Effect.suspend(() => Effect.fail(silent(link, "PUBACK", pubackWithinMs)))
  )

const inTime = <A>(link: Link, waitingFor: "SUBACK" | "PUBACK", effect: Effect.Effect<A, MqttRefusal>) =>
  Effect.timeoutOrElse(effect, {
    duration: confirmedWithinMs,
    orElse: () => Effect.fail<MqttRefusal>(silent(link, waitingFor, confirmedWithinMs))
  })

const silent = ({ options }: Link, waitingFor: "SUBACK" | "PUBACK", afterMs: number) =>
  new BrokerSilent({ host: options.target.host, port: options.target.port, waitingFor, afterMs, signingMs: undefined })

/** AWS IoT takes no more in one SUBSCRIBE. */
const filtersAtOnce = 8

const confirmedWithinMs = 20_000

/** A broker may be slow to store a message, but not that slow. */
const pubackWithinMs = 120_000
