/**
 * The actors of a mapper, how they are connected, and what happens when one of them fails.
 *
 *   mapper (one for one)
 *   |- token       cryptoki: parked when it keeps failing, so that the others continue
 *   |- links       local, service, cloud (one for one)
 *   |- health
 *   '- bridge
 *
 * Started in this order and stopped in reverse: the bridge drains, then the links publish
 * onDisconnect messages. A missing token or an unreachable cloud affects the cloud link only.
 */
import { Effect, type Scope } from "effect"
import { bridgeBehaviour, bridgeMailbox } from "../../../actors/bridge/bridge-actor.ts"
import { requestMailbox } from "../../../actors/cryptoki/settings.ts"
import { healthBehaviour, healthMailbox } from "../../../actors/health/health-actor.ts"
import type { Connect } from "../../../actors/mqtt/broker-connection.ts"
import { linkBehaviour, linkMailbox } from "../../../actors/mqtt/link/link-actor.ts"
import type { BridgeProtocol, HealthProtocol } from "../../../messages/bridge.ts"
import type { CryptokiEvent, CryptokiProtocol } from "../../../messages/cryptoki.ts"
import type { LinkProtocol } from "../../../messages/mqtt.ts"
import { type Address, address, type Behaviour, child } from "../../../runtime/actor.ts"
import type { Channel } from "../../../runtime/channel.ts"
import type { RuntimeEvent } from "../../../runtime/events.ts"
import type { ActorRef } from "../../../runtime/protocol.ts"
import type { StartFailed, StartRefused, SupervisorHandle, SupervisorSpec } from "../../../runtime/supervision.ts"
import { Supervisor } from "../../../runtime/supervisor.ts"
import { withActorEvents } from "../../terminal/actor-log.ts"
import { ParkedActors } from "../parked-actors.ts"
import type { MapperPlan } from "./mapper-plan.ts"

interface MapperParts {
  readonly plan: MapperPlan
  readonly cryptoki: Behaviour<CryptokiProtocol>
  /** Events of `cryptoki`; the cloud link retries when the token is back. */
  readonly cryptokiEvents: Channel<CryptokiEvent>
  /** How links connect to brokers; tests pass a scripted broker. */
  readonly connect: (cryptoki: ActorRef<CryptokiProtocol>) => Connect
}

export interface Mapper extends SupervisorHandle {
  readonly bridge: ActorRef<BridgeProtocol>
  readonly cloud: ActorRef<LinkProtocol>
}

export const startMapper = (parts: MapperParts): Effect.Effect<Mapper, StartFailed | StartRefused, Scope.Scope> =>
  withParkedActors((reportTo) =>
    Effect.gen(function* () {
      const places = yield* makePlaces
      const { cloud, bridge, health } = places
      reportTo(health.ref)
      yield* retryWithToken(parts.cryptokiEvents, cloud.ref)
      const handle = yield* Supervisor.start(treeOf(parts, places))
      return { ...handle, bridge: bridge.ref, cloud: cloud.ref }
    })
  )

/** The graph that would be started, for inspection. */
export const mapperTree = (parts: MapperParts): Effect.Effect<SupervisorSpec> =>
  Effect.map(makePlaces, (places) => treeOf(parts, places))

interface Places {
  readonly cryptoki: Address<CryptokiProtocol>
  readonly local: Address<LinkProtocol>
  readonly service: Address<LinkProtocol>
  readonly cloud: Address<LinkProtocol>
  readonly bridge: Address<BridgeProtocol>
  readonly health: Address<HealthProtocol>
}

const makePlaces: Effect.Effect<Places> = Effect.all({
  cryptoki: address<CryptokiProtocol>({ name: "mapper/cryptoki", mailbox: requestMailbox }),
  local: address<LinkProtocol>({ name: "mapper/local", mailbox: linkMailbox }),
  service: address<LinkProtocol>({ name: "mapper/service", mailbox: linkMailbox }),
  cloud: address<LinkProtocol>({ name: "mapper/cloud", mailbox: linkMailbox }),
  bridge: address<BridgeProtocol>({ name: "mapper/bridge", mailbox: bridgeMailbox }),
  health: address<HealthProtocol>({ name: "mapper/health", mailbox: healthMailbox })
})

const treeOf = (parts: MapperParts, places: Places) => {
  const { cryptoki, local, service, cloud, bridge, health } = places
  const { plan } = parts
  return {
    name: "mapper",
    strategy: "one_for_one",
    intensity: { max: 3, within: "1 minute" },
    backoff: quickly,
    onExhausted: "escalate",
    children: [
      {
        name: "token",
        strategy: "one_for_one",
        intensity: { max: 5, within: "1 minute" },
        backoff: { initial: "1 second", maximum: "1 minute", factor: 2, jitter: 0.2, resetAfter: "5 minutes" },
        onExhausted: "park",
        children: [child(cryptoki, parts.cryptoki, { restart: "permanent" })]
      },
      linksOf(parts, places),
      child(
        health,
        healthBehaviour(plan.health, { serviceLink: service.ref, bridgeLink: local.ref, cloudLink: cloud.ref }),
        { restart: "permanent", peers: [service.ref, local.ref, cloud.ref] }
      ),
      child(bridge, bridgeBehaviour(plan.bridge, { local: local.ref, cloud: cloud.ref, health: health.ref }), {
        restart: "permanent",
        // The links redeliver what it had not acknowledged.
        onRestart: "deadLetter",
        stopWithin: "30 seconds",
        peers: [local.ref, cloud.ref, health.ref]
      })
    ]
  } as const
}

const linksOf = ({ plan, connect }: MapperParts, { cryptoki, local, service, cloud, bridge, health }: Places) => {
  const reach = connect(cryptoki.ref)
  const options = { restart: "permanent", stopWithin: "10 seconds" } as const
  return {
    name: "links",
    strategy: "one_for_one",
    intensity: { max: 5, within: "1 minute" },
    backoff: quickly,
    onExhausted: "escalate",
    children: [
      child(local, linkBehaviour(plan.localLink, reach, bridge.ref), { ...options, peers: [bridge.ref] }),
      child(service, linkBehaviour(plan.serviceLink, reach, health.ref), { ...options, peers: [health.ref] }),
      child(cloud, linkBehaviour(plan.cloudLink, reach, bridge.ref), { ...options, peers: [bridge.ref, cryptoki.ref] })
    ]
  } as const
}

/** A crash is a bug of ours, and the next message may be fine. */
const quickly = {
  initial: "200 millis",
  maximum: "10 seconds",
  factor: 4,
  jitter: 0.2,
  resetAfter: "1 minute"
} as const

/** Reports to `HealthActor` which actors are parked; after a restart it starts empty. */
const withParkedActors = <A, E, R>(
  start: (reportTo: (health: ActorRef<HealthProtocol>) => void) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> => {
  const parked = new ParkedActors()
  let health: ActorRef<HealthProtocol> | undefined
  const tell = (event: RuntimeEvent) => {
    const isChanged = parked.note(event)
    const hasForgotten = event._tag === "Ready" && event.actor === health?.name && parked.list.length > 0
    if (health === undefined || !(isChanged || hasForgotten)) return Effect.void
    return Effect.ignore(health.tell("ActorsParked", { parked: parked.list }))
  }
  const reportTo = (ref: ActorRef<HealthProtocol>) => {
    health = ref
  }
  // The addresses are created here, so their events go here.
  return withActorEvents(
    Effect.suspend(() => start(reportTo)),
    tell
  )
}

const retryWithToken = (
  events: Channel<CryptokiEvent>,
  cloud: ActorRef<LinkProtocol>
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.asVoid(
    events.subscribe({ capacity: 16, overflow: "dropOldest" }, (event) =>
      event._tag === "TokenPlugged"
        ? cloud.offer("RetryNow", { because: `token '${event.token}' is back` })
        : Effect.void
    )
  )
