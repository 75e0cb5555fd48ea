/** The bridge between the local broker and the cloud: one relay per direction, and the health of both links. */
import { Clock, Effect, type Scope } from "effect"
import type {
  BridgeProtocol,
  BridgeReport,
  BridgeRule,
  BridgeStatus,
  DroppedMessage,
  HealthProtocol
} from "../../messages/bridge.ts"
import { explainDropped, explainHeldBack } from "../../messages/explain/bridge.ts"
import type { LinkProtocol, LinkStatus, MqttMessage, Received, Side } from "../../messages/mqtt.ts"
import type { Timeline } from "../../messages/status/snapshot.ts"
import { publishSize } from "../../messages/wire/mqtt-publish.ts"
import type { Behaviour, MailboxSpec } from "../../runtime/actor.ts"
import { eventTime, present } from "../../runtime/primitives/event-time.ts"
import { monotonicNow } from "../../runtime/primitives/monotonic-time.ts"
import type { ActorRef } from "../../runtime/protocol.ts"
import { CloudCheck, type CloudQuestion } from "./cloud-check.ts"
import { type CloudLimits, noLimits } from "./cloud-limits.ts"
import { LoopGuard } from "./loop-guard.ts"
import { makeRelay, type Relay, type Route } from "./relay.ts"
import type { Direction } from "./rules.ts"
import { BridgeSide, type InFlightMessage } from "./side.ts"
import type { LastSample } from "./traffic.ts"

export interface BridgeOptions {
  readonly rules: ReadonlyArray<BridgeRule>
  /** The largest payload the cloud accepts, in bytes. */
  readonly maxPayloadSize: number
  /** The setting of that limit. */
  readonly maxPayloadSetting: string
  readonly check: CloudQuestion
  /** Rules for which the cloud disconnects; undefined: unknown. */
  readonly limits?: CloudLimits
  /** Called for each change of a link. `date`: milliseconds since 1970. */
  readonly onLink?: (side: Side, status: LinkStatus, date: number) => void
}

interface BridgePeers {
  readonly local: ActorRef<LinkProtocol>
  readonly cloud: ActorRef<LinkProtocol>
  readonly health: ActorRef<HealthProtocol>
}

/** Links wait for room here; they have a bounded queue before it. */
export const bridgeMailbox: MailboxSpec = { capacity: 256, overflow: { policy: "block" } }

/** Start it with `onRestart: "deadLetter"`: after a restart the links redeliver everything. */
export const bridgeBehaviour = (options: BridgeOptions, peers: BridgePeers): Behaviour<BridgeProtocol> => ({
  // It waits for the cloud while messages continue.
  concurrent: { tags: ["CheckCloud"], inFlight: 16 },
  init: (context) =>
    Effect.gen(function* () {
      const bridge = yield* makeBridge(options, peers)
      yield* context.task("outbound", bridge.relays.outbound.failed)
      yield* context.task("inbound", bridge.relays.inbound.failed)
      yield* Effect.addFinalizer(() =>
        Effect.all([bridge.relays.outbound.drain, bridge.relays.inbound.drain], { concurrency: 2, discard: true })
      )
      return {
        Received: (received) => accept(bridge, received),
        LinkChanged: ({ side, status }) =>
          Effect.flatMap(Clock.Clock, (clock) => {
            const time = eventTime(clock)
            bridge.sides[side].change(status, time)
            options.onLink?.(side, status, time.wallMs)
            return publishHealth(bridge)
          }),
        Status: () => Effect.sync(() => statusOf(bridge)),
        Report: ({ sample }) => report(bridge, sample),
        CheckCloud: ({ withinMs }) => bridge.check.ask(withinMs)
      }
    })
})

interface Bridge {
  readonly options: BridgeOptions
  readonly health: ActorRef<HealthProtocol>
  readonly sides: Readonly<Record<Side, BridgeSide>>
  readonly relays: Readonly<Record<Direction, Relay>>
  readonly guard: LoopGuard
  readonly check: CloudCheck
  /** Messages the other side refuses, by direction. */
  readonly refused: Record<Direction, number>
}

const makeBridge = Effect.fnUntraced(function* (
  options: BridgeOptions,
  peers: BridgePeers
): Effect.fn.Return<Bridge, never, Scope.Scope> {
  const sides = { local: new BridgeSide(peers.local), cloud: new BridgeSide(peers.cloud) }
  const guard = new LoopGuard()
  const relay = (direction: Direction, from: Side, to: Side) =>
    makeRelay({
      direction,
      rules: options.rules,
      against: (direction === "outbound" ? (options.limits ?? noLimits) : noLimits).against,
      source: sides[from],
      target: sides[to],
      beforePublish: ({ message: { topic, payload }, comesBack }, now) => {
        if (comesBack) guard.expect({ side: to, topic, payload }, now)
      },
      afterRefusal: ({ message: { topic, payload }, comesBack }, now) => {
        if (comesBack) guard.forget({ side: to, topic, payload }, now)
      },
      onRefused: ({ topic }, code) => logDropped({ direction, topic, reason: "refused", code }),
      onHeldBack: ({ topic }, code) => warn(explainHeldBack({ direction, topic, code }))
    })
  const relays = {
    outbound: yield* relay("outbound", "local", "cloud"),
    inbound: yield* relay("inbound", "cloud", "local")
  }
  return {
    options,
    health: peers.health,
    sides,
    relays,
    guard,
    check: new CloudCheck(options.check, sides),
    refused: { outbound: 0, inbound: 0 }
  }
})

const accept = Effect.fnUntraced(function* (bridge: Bridge, { side, deliveries }: Received): Effect.fn.Return<void> {
  const direction = side === "local" ? "outbound" : "inbound"
  const { link, origin } = bridge.sides[side]
  const now = yield* monotonicNow
  const batch: Array<InFlightMessage> = []
  const done: Array<number> = []
  for (const { delivery, message } of deliveries) {
    const route = bridge.relays[direction].routes.of(message.topic)
    const dropped = route && unfit(bridge.options, direction, message, route)
    if (side === "cloud" && route !== undefined)
      bridge.check.received({ ...message, topic: route.topic }, origin.connection)
    if (route === undefined || (route.comesBack && bridge.guard.isEcho({ side, ...message }, now))) done.push(delivery)
    else if (dropped === undefined) {
      const { topic, comesBack } = route
      batch.push({ delivery, message: { ...message, topic }, comesBack, isAnnounced: false, isAcknowledged: false })
    } else {
      bridge.refused[direction] += 1
      yield* logDropped(dropped)
      done.push(delivery)
    }
  }
  if (done.length > 0) yield* Effect.ignore(link.tell("Acknowledge", { deliveries: done }))
  if (batch.length > 0) yield* bridge.relays[direction].add({ origin, messages: batch })
})

/** A broker disconnects on a message it refuses; sent again, that would repeat. */
const unfit = (
  { maxPayloadSize: limit, maxPayloadSetting: setting, limits = noLimits }: BridgeOptions,
  direction: Direction,
  message: MqttMessage,
  route: Route
): DroppedMessage | undefined => {
  const { topic, payload } = message
  if (!route.isTopic) return { direction, topic, reason: "invalidTopic", target: route.topic }
  if (direction === "inbound") return undefined
  if (route.against !== undefined) return { direction, topic, reason: "againstRule", rule: route.against }
  const size = limits.countsPacket ? publishSize({ ...message, topic: route.topic }, 4) : payload.length
  return size > limit ? { direction, topic, reason: "tooLarge", size, limit, setting } : undefined
}

const logDropped = (dropped: DroppedMessage): Effect.Effect<void> => warn(explainDropped(dropped))

const warn = (sentence: string): Effect.Effect<void> =>
  Effect.annotateLogs(Effect.logWarning(sentence), { target: "MQTT bridge" })

const publishHealth = ({ sides, health }: Bridge): Effect.Effect<void> =>
  Effect.ignore(
    health.tell("BridgeHealth", {
      health: healthOf(sides),
      local: sides.local.status,
      cloud: sides.cloud.status
    })
  )

const healthOf = ({ local, cloud }: Bridge["sides"]): "up" | "down" => (local.isUp && cloud.isUp ? "up" : "down")

const statusOf = ({ sides, relays: { outbound, inbound }, refused }: Bridge): BridgeStatus => ({
  local: sides.local.status,
  cloud: sides.cloud.status,
  health: healthOf(sides),
  counters: {
    outbound: outbound.traffic.messages,
    inbound: inbound.traffic.messages,
    dropped: refused.outbound + refused.inbound + outbound.traffic.dropped + inbound.traffic.dropped,
    waiting: outbound.traffic.waiting + inbound.traffic.waiting
  }
})

const report = ({ sides, relays, refused }: Bridge, sample: boolean): Effect.Effect<BridgeReport> =>
  Effect.map(Clock.Clock, (clock) => {
    const time = present(clock)
    const now = time.monotonicMs
    const { outbound, inbound } = { outbound: relays.outbound.traffic, inbound: relays.inbound.traffic }
    if (sample) for (const traffic of [outbound, inbound]) traffic.sampleNext()
    const [local, cloud] = [sides.local.past.report(time), sides.cloud.past.report(time)]
    const health = healthOf(sides)
    const changes = [local, cloud].filter(({ status }) => health === "up" || status._tag !== "Up")
    return {
      health,
      // Up since the later of both, down since the earlier.
      since: (health === "up" ? Math.max : Math.min)(...changes.map(({ since }) => since)),
      local,
      cloud,
      outbound: outbound.facts(now, refused.outbound),
      inbound: inbound.facts(now, refused.inbound),
      message: newer(outbound.lastSample, inbound.lastSample)
    }
  })

const newer = (one: LastSample | undefined, other: LastSample | undefined): Timeline | undefined =>
  ((one?.arrived ?? 0) >= (other?.arrived ?? 0) ? one : other)?.timeline
