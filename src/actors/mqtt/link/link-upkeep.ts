/**
 * Keeps a link connected: dial, subscribe, publish `onConnect`, open the gate; reconnect when the connection is lost.
 *
 * Nothing else is published before every subscription is confirmed, so that no reply comes before its subscription.
 */
import { Clock, Deferred, Effect, Queue, Random } from "effect"
import {
  BrokerSilent,
  ClientIdContested,
  type LinkStatus,
  type MqttRefusal,
  type SubscriptionFault,
  SubscriptionRefused,
  type Target
} from "../../../messages/mqtt.ts"
import { retryTriggerOf } from "../../../messages/retry-trigger.ts"
import { endsWithin } from "../../../runtime/primitives/ends-within.ts"
import { monotonicMs } from "../../../runtime/primitives/monotonic-time.ts"
import type { BrokerConnection } from "../broker-connection.ts"
import { isRefused, subscriptionFaults } from "../client/subscription-filter.ts"
import { afterFailure, noFailures } from "./back-off.ts"
import type { Link } from "./link.ts"
import {
  logHandshake,
  logLostOften,
  logMissingAcks,
  logOverflow,
  logOversized,
  logRetry,
  logStatus
} from "./link-log.ts"

/** Never completes; when interrupted, it publishes `onDisconnect` and sends DISCONNECT. */
export const keepUp = (link: Link): Effect.Effect<never> =>
  Effect.gen(function* () {
    const { target, backOff: settings } = link.options
    const disconnects = new DisconnectHistory(target)
    let backOff = noFailures
    for (let attempt = 1; ; attempt++) {
      yield* changeStatus(link, { _tag: "Connecting", attempt })
      // This attempt already covers earlier requests to retry now.
      yield* Queue.clear(link.retry)
      const { failure: ended, heldMs, hadUnacknowledged } = yield* connectOnce(link)
      if (ended === undefined) continue
      const wasUp = heldMs > 0
      if (wasUp) yield* logIfLostOften(link, disconnects, ended)
      else disconnects.notEstablished()
      const failure = wasUp ? disconnects.judge({ failure: ended, heldMs, hadUnacknowledged }) : ended
      backOff = afterFailure(settings, backOff, { heldMs, retryTrigger: retryTriggerOf(failure) }, yield* Random.next)
      yield* changeStatus(link, { _tag: "Down", failure, retryInMs: backOff.waitMs, attempt })
      yield* Effect.raceFirst(
        Effect.sleep(backOff.waitMs),
        Effect.flatMap(Queue.take(link.retry), (because) => logRetry(link.options, because))
      )
    }
  })

const logIfLostOften = (link: Link, disconnects: DisconnectHistory, failure: MqttRefusal): Effect.Effect<void> =>
  Effect.flatMap(Clock.Clock, (clock) => {
    const often = disconnects.often(monotonicMs(clock))
    return often === undefined ? Effect.void : logLostOften(link.options, often, failure)
  })

interface Outcome {
  /** Undefined: no failure, but another connection is due. */
  readonly failure: MqttRefusal | undefined
  /** How long the gate was open, in milliseconds from 1 on; 0: never. */
  readonly heldMs: number
  readonly hadUnacknowledged: boolean
}

/** One connection, from dialling until it ends. */
const connectOnce = (link: Link): Effect.Effect<Outcome> =>
  Effect.gen(function* () {
    let openedAt: number | undefined
    let hadUnacknowledged = false
    const clock = yield* Clock.Clock
    const connected = Effect.gen(function* () {
      link.past.connections += 1
      link.reconnect = Deferred.makeUnsafe<void>()
      const connection = yield* link.connect
      yield* logHandshake(link.options, connection.handshake)
      const trouble = Effect.flatMap(connection.ended, (refusal) => {
        hadUnacknowledged = connection.unacknowledged.count > 0
        return Effect.fail(refusal)
      })
      const faults = yield* Effect.raceFirst(prepare(link, connection), trouble)
      openedAt = monotonicMs(clock)
      yield* openGate(link, connection, faults)
      yield* Effect.forkScoped(
        Effect.forever(Effect.flatMap(Queue.take(link.oversized), (publish) => logOversized(link.options, publish)))
      )
      const fault = Effect.raceFirst(trouble, watchAcks(link, connection))
      const held = Effect.raceFirst(fault, Deferred.await(link.reconnect))
      yield* Effect.onInterrupt(held, () => disconnectCleanly(link, connection))
      yield* logOverflow(link.options, !link.options.target.cleanSession)
      yield* connection.disconnect
    })
    const failure = yield* Effect.match(Effect.scoped(connected), {
      onSuccess: () => undefined,
      onFailure: (refusal) => refusal
    })
    link.gate.close()
    const heldMs = openedAt === undefined ? 0 : Math.max(1, monotonicMs(clock) - openedAt)
    return { failure, heldMs, hadUnacknowledged }
  })

/** Subscriptions and the onConnect messages, each confirmed. Returns the subscriptions that were not granted. */
const prepare = (
  link: Link,
  connection: BrokerConnection
): Effect.Effect<ReadonlyArray<SubscriptionFault>, MqttRefusal> =>
  Effect.gen(function* () {
    if (connection.sessionPresent) link.window.sessionResumed(link.past.connections)
    const { filters, neededFilters, onConnect, target } = link.options
    const faults: Array<SubscriptionFault> = []
    for (let start = 0; start < filters.length; start += filtersAtOnce)
      faults.push(...(yield* subscribe(link, connection, filters.slice(start, start + filtersAtOnce))))
    const refused = faults.filter(isRefused)
    const isUseless = refused.some(({ filter }) => neededFilters.includes(filter))
    if (isUseless || (refused.length > 0 && refused.length === filters.length))
      return yield* new SubscriptionRefused({ host: target.host, port: target.port, filters: refused })
    for (const message of onConnect) yield* inTime(link, "PUBACK", connection.publish(message))
    return faults
  })

/** Retained messages are requested once: with a kept session the broker has sent them already. */
const subscribe = (link: Link, connection: BrokerConnection, filters: ReadonlyArray<string>) =>
  Effect.map(inTime(link, "SUBACK", connection.subscribe(filters, 1, "ifNew")), (codes) =>
    subscriptionFaults(filters, codes, 1)
  )

const openGate = (
  link: Link,
  connection: BrokerConnection,
  faults: ReadonlyArray<SubscriptionFault>
): Effect.Effect<void> =>
  Effect.gen(function* () {
    const { past, gate, wakeUp } = link
    // Published before the first message in either direction.
    const { sessionPresent, handshake } = connection
    yield* changeStatus(link, { _tag: "Up", sessionPresent, connection: past.connections, faults, handshake })
    gate.open(connection)
    wakeUp.notify()
  })

const changeStatus = (link: Link, status: LinkStatus): Effect.Effect<void> =>
  Effect.gen(function* () {
    link.status = status
    const { side } = link.options
    yield* logStatus(link.options, status, link.lastReported)
    if (status._tag !== "Connecting") link.lastReported = status
    // A receiver that has stopped permanently needs no update; one that is restarted asks for it.
    yield* Effect.ignore(link.receiver.tell("LinkChanged", { side, status }))
  })

/** Runs even during interruption, with a time limit. */
const disconnectCleanly = (link: Link, connection: BrokerConnection): Effect.Effect<void> =>
  Effect.gen(function* () {
    const published = Effect.forEach(link.options.onDisconnect, connection.publish, { discard: true })
    const closing = Effect.andThen(Effect.ignore(published), connection.disconnect)
    const fiber = yield* Effect.forkDetach(closing)
    if (!(yield* endsWithin(fiber, "3 seconds"))) fiber.interruptUnsafe()
    yield* logStatus(link.options, { _tag: "Stopped" }, undefined)
  })

/**
 * Fails if the broker acknowledges nothing, or not all: discarded messages are sent again on another connection.
 * Logged once per connection.
 */
const watchAcks = (link: Link, { unacknowledged }: BrokerConnection): Effect.Effect<never, MqttRefusal> =>
  Effect.gen(function* () {
    for (let isReported = false; ; ) {
      yield* Effect.sleep(5_000)
      if (unacknowledged.isSilent(pubackWithinMs) || unacknowledged.overtaken(pubackWithinMs) > 0)
        return yield* Effect.fail(silent(link, "PUBACK", pubackWithinMs))
      const missing = unacknowledged.overtaken(missingReportedMs)
      if (missing > 0 && !isReported) yield* logMissingAcks(link.options, missing)
      isReported ||= missing > 0
    }
  })

const missingReportedMs = 20_000

const inTime = <A>(link: Link, waitingFor: "SUBACK" | "PUBACK", effect: Effect.Effect<A, MqttRefusal>) =>
  Effect.timeoutOrElse(effect, {
    duration: confirmedWithinMs,
    orElse: () => Effect.fail<MqttRefusal>(silent(link, waitingFor, confirmedWithinMs))
  })

const silent = ({ options }: Link, waitingFor: "SUBACK" | "PUBACK", afterMs: number) =>
  new BrokerSilent({ host: options.target.host, port: options.target.port, waitingFor, afterMs, signingMs: undefined })

/** AWS IoT accepts no more in one SUBSCRIBE. */
const filtersAtOnce = 8

const confirmedWithinMs = 20_000

/** A broker may be slow to store a message, but not that slow. */
const pubackWithinMs = 120_000

interface Disconnect {
  readonly failure: MqttRefusal
  /** How long the connection was up. */
  readonly heldMs: number
  /** Publishes were waiting for PUBACK, so a message may have caused the disconnect. */
  readonly hadUnacknowledged: boolean
}

/** Evaluates the ends of established connections: the link is lost often, or another client uses its id. */
export class DisconnectHistory {
  private readonly target: Target
  private times: Array<number> = []
  private reportedAt = Number.NEGATIVE_INFINITY
  private short = 0

  constructor(target: Target) {
    this.target = target
  }

  /** The connection was not established, so no client with the same id has ended it. */
  notEstablished(): void {
    this.short = 0
  }

  /** What to report about this end. */
  judge({ failure, heldMs, hadUnacknowledged }: Disconnect): MqttRefusal {
    const isByPeer =
      failure._tag === "BrokerDisconnected" || (failure._tag === "ConnectionLost" && failure.endedBy === undefined)
    if (heldMs >= shortMs || !isByPeer) this.short = 0
    else if (!hadUnacknowledged) this.short += 1
    if (this.short < shortInARow || failure._tag === "BrokerDisconnected") return failure
    const { host, port, clientId } = this.target
    return new ClientIdContested({ host, port, clientId, times: this.short })
  }

  /** Number of recent disconnects, if it is high and was not reported recently. `now`: monotonic milliseconds. */
  often(now: number): { readonly times: number; readonly withinMinutes: number } | undefined {
    this.times = [...this.times.filter((time) => time > now - windowMs), now].slice(-mostTimes)
    if (this.times.length < oftenInWindow || now - this.reportedAt < windowMs) return undefined
    this.reportedAt = now
    return { times: this.times.length, withinMinutes: windowMs / 60_000 }
  }
}

/** A client that takes over the id, and the one that lost it, both reconnect within seconds. */
const shortMs = 15_000
const shortInARow = 3

const windowMs = 10 * 60_000
const oftenInWindow = 3
const mostTimes = 1_000
