/** The bridge between the local broker and the cloud: a relay for either direction, and the health of both links. */
import { Clock, Effect } from "effect"
import type { BridgeProtocol, BridgeRule, BridgeStatus, DroppedMessage, HealthProtocol } from "../../messages/bridge.ts"
import { explainDropped } from "../../messages/explain/bridge.ts"
import type { LinkProtocol, Received, Side } from "../../messages/mqtt.ts"
import type { Behaviour, MailboxSpec } from "../../runtime/actor.ts"
import type { ActorRef } from "../../runtime/protocol.ts"
import { LoopGuard } from "./loop-guard.ts"
import { Relay } from "./relay.ts"
import { type Direction, opposite, route } from "./route.ts"
import { BridgeSide } from "./side.ts"
import { isTopic } from "./topic-filter.ts"

export interface BridgeOptions {
  readonly rules: ReadonlyArray<BridgeRule>
  /** The largest payload the cloud takes, in bytes. */
  readonly maxPayloadSize: number
  /** The key of the setting it is from. */
  readonly maxPayloadSetting: string
  /** How many messages of a direction are under way at once: the window of the links. */
  readonly window: number
}

export interface BridgePeers {
  readonly local: ActorRef<LinkProtocol>
  readonly cloud: ActorRef<LinkProtocol>
  readonly health: ActorRef<HealthProtocol>
}

/** Links wait for room here; they have a bounded queue of their own before that. */
export const bridgeMailbox: MailboxSpec = { capacity: 256, overflow: { policy: "block" } }

/** Start it with `onRestart: "deadLetter"`: after a restart the links give everything again. */
export const bridgeBehaviour = (options: BridgeOptions, peers: BridgePeers): Behaviour<BridgeProtocol> => ({
  init: (context) =>
    Effect.gen(function* () {
      const bridge = makeBridge(options, peers)
      yield* context.task("outbound", bridge.relays.outbound.run)
      yield* context.task("inbound", bridge.relays.inbound.run)
      yield* Effect.addFinalizer(() =>
        Effect.all([bridge.relays.outbound.drain, bridge.relays.inbound.drain], { concurrency: 2, discard: true })
      )
      return {
        Received: (received) => accept(bridge, received),
        LinkChanged: ({ side, status }) =>
          Effect.suspend(() => {
            bridge.sides[side].change(status)
            return tellHealth(bridge)
          }),
        Status: () => Effect.sync(() => statusOf(bridge))
      }
    })
})

interface Bridge {
  readonly options: BridgeOptions
  readonly health: ActorRef<HealthProtocol>
  readonly sides: Readonly<Record<Side, BridgeSide>>
  readonly relays: Readonly<Record<Direction, Relay>>
  readonly guard: LoopGuard
  /** Messages the other side would not take. */
  refused: number
}

const makeBridge = (options: BridgeOptions, peers: BridgePeers): Bridge => {
  const sides = { local: new BridgeSide(peers.local), cloud: new BridgeSide(peers.cloud) }
  const guard = new LoopGuard()
  const relay = (direction: Direction, from: Side, to: Side) =>
    new Relay({
      name: `bridge/${direction}`,
      source: sides[from],
      target: sides[to],
      window: options.window,
      onDeparture: ({ topic, payload }, now) => {
        if (comesBack(options.rules, direction, topic)) guard.expect({ side: to, topic, payload }, now)
      },
      onRefused: ({ topic }, code) => sayDropped({ direction, topic, reason: "refused", code })
    })
  return {
    options,
    health: peers.health,
    sides,
    relays: { outbound: relay("outbound", "local", "cloud"), inbound: relay("inbound", "cloud", "local") },
    guard,
    refused: 0
  }
}

/** Whether the broker gives it back to us, and we would carry it to where it came from. */
const comesBack = (rules: ReadonlyArray<BridgeRule>, direction: Direction, topic: string): boolean => {
  const back = route(rules, opposite(direction), topic)
  return back !== undefined && route(rules, direction, back) === topic
}

const accept = (bridge: Bridge, { side, delivery, message }: Received): Effect.Effect<void> =>
  Effect.gen(function* () {
    const direction = side === "local" ? "outbound" : "inbound"
    const source = bridge.sides[side]
    const done = Effect.ignore(source.link.tell("Acknowledge", { delivery }))
    const topic = route(bridge.options.rules, direction, message.topic)
    if (topic === undefined) return yield* done
    if (bridge.guard.isEcho({ side, ...message }, yield* Clock.currentTimeMillis)) return yield* done
    const dropped = unfit(bridge.options, direction, message, topic)
    if (dropped !== undefined) {
      bridge.refused += 1
      yield* sayDropped(dropped)
      return yield* done
    }
    yield* bridge.relays[direction].add({ delivery, origin: source.origin, message: { ...message, topic } })
  })

/** A broker hangs up on what it does not take, and would be sent it again for ever. */
const unfit = (
  { maxPayloadSize: limit, maxPayloadSetting: setting }: BridgeOptions,
  direction: Direction,
  { topic, payload }: Received["message"],
  target: string
): DroppedMessage | undefined => {
  if (!isTopic(target)) return { direction, topic, reason: "invalidTopic", target }
  const size = payload.length
  return direction === "outbound" && size > limit
    ? { direction, topic, reason: "tooLarge", size, limit, setting }
    : undefined
}

const sayDropped = (dropped: DroppedMessage): Effect.Effect<void> =>
  Effect.annotateLogs(Effect.logWarning(explainDropped(dropped)), { target: "MQTT bridge" })

const tellHealth = ({ sides, health }: Bridge): Effect.Effect<void> =>
  Effect.ignore(
    health.tell("BridgeHealth", {
      health: healthOf(sides),
      local: sides.local.status,
      cloud: sides.cloud.status
    })
  )

const healthOf = ({ local, cloud }: Bridge["sides"]): "up" | "down" => (local.isUp && cloud.isUp ? "up" : "down")

const statusOf = ({ sides, relays, refused }: Bridge): BridgeStatus => ({
  local: sides.local.status,
  cloud: sides.cloud.status,
  health: healthOf(sides),
  counters: {
    outbound: relays.outbound.carried,
    inbound: relays.inbound.carried,
    dropped: refused + relays.outbound.dropped + relays.inbound.dropped,
    waiting: relays.outbound.waiting + relays.inbound.waiting
  }
})
