/** Says how the mapper and its bridge are: registered, up, answering checks, and why the bridge is down. */
import { Effect } from "effect"
import type { BridgeHealth, HealthProtocol } from "../../messages/bridge.ts"
import { explainBridgeState } from "../../messages/explain/bridge-state.ts"
import type { LinkProtocol, MqttMessage } from "../../messages/mqtt.ts"
import type { ServiceTopics } from "../../messages/service-topics.ts"
import type { Behaviour, MailboxSpec } from "../../runtime/actor.ts"
import type { ActorRef } from "../../runtime/protocol.ts"
import { wallNow } from "../../runtime/wall-time.ts"
import { bridgeHealth, bridgeReason, dateText, registration, type ServiceIdentity, serviceUp } from "./payloads.ts"
import { sayNewest } from "./say-newest.ts"

export interface HealthOptions {
  readonly service: ServiceIdentity
  readonly bridge: ServiceTopics
}

export interface HealthPeers {
  /** The connection whose will tells the mapper's end. */
  readonly serviceLink: ActorRef<LinkProtocol>
  /** The bridge's local connection, whose will tells the bridge's end. */
  readonly bridgeLink: ActorRef<LinkProtocol>
}

export const healthMailbox: MailboxSpec = { capacity: 64, overflow: { policy: "block" } }

export const healthBehaviour = ({ service, bridge }: HealthOptions, peers: HealthPeers): Behaviour<HealthProtocol> => ({
  init: (context) =>
    Effect.gen(function* () {
      const sayService = yield* sayNewest(context, peers.serviceLink)
      const sayBridge = yield* sayNewest(context, peers.bridgeLink)
      let told: Told = nothingTold
      const up = Effect.map(wallNow, (now) => serviceUp(service, now))
      return {
        LinkChanged: ({ status }) =>
          status._tag === "Up"
            ? Effect.flatMap(up, (health) => sayService([registration(service), health]))
            : Effect.void,
        Received: ({ deliveries }) =>
          Effect.gen(function* () {
            const isAsked = deliveries.some(({ message }) => service.topics.healthChecks.includes(message.topic))
            if (isAsked) yield* sayService([yield* up])
            const done = deliveries.map(({ delivery }) => delivery)
            yield* Effect.ignore(peers.serviceLink.tell("Acknowledge", { deliveries: done }))
          }),
        BridgeHealth: (now) =>
          Effect.flatMap(wallNow, (time) => {
            const before = told
            told = { ...now, reason: reasonOf(now, time) ?? before.reason }
            return sayBridge(newsOf(bridge, before, told))
          })
      }
    })
})

type Told = Partial<BridgeHealth> & {
  /** One line for people; empty: nothing is wrong. */
  readonly reason: string
}

const nothingTold: Told = { reason: "" }

const newsOf = (bridge: ServiceTopics, before: Told, { health, local, reason }: Told): ReadonlyArray<MqttMessage> => {
  // While the local broker was away, it published our will.
  const isBack = local?._tag === "Up" && before.local?._tag !== "Up"
  return [
    ...(health !== undefined && (health !== before.health || isBack) ? [bridgeHealth(bridge, health)] : []),
    ...(reason !== before.reason || isBack ? [bridgeReason(bridge, reason)] : [])
  ]
}

/** Undefined while a new attempt is under way: what was wrong before still is. `now`: milliseconds since 1970. */
const reasonOf = (state: BridgeHealth, now: number): string | undefined =>
  explainBridgeState(state, (retryInMs) => `at ${dateText(now + retryInMs)}`)
