/**
 * Publishes the state of the mapper and its bridge: registration, up, responses to checks, and why the bridge is down.
 *
 * Each is published on the connection that has its will, and again on each reconnection: the broker may have published the will.
 */
import { Effect } from "effect"
import type { BridgeHealth, HealthProtocol, ParkedActor } from "../../messages/bridge.ts"
import { explainBridgeState, explainParked } from "../../messages/explain/bridge-state.ts"
import type { LinkProtocol, MqttMessage } from "../../messages/mqtt.ts"
import type { ServiceTopics } from "../../messages/service-topics.ts"
import type { Behaviour, MailboxSpec } from "../../runtime/actor.ts"
import { wallNow } from "../../runtime/primitives/wall-time.ts"
import type { ActorRef } from "../../runtime/protocol.ts"
import { bridgeHealth, bridgeReason, dateText, registration, type ServiceIdentity, serviceUp } from "./payloads.ts"
import { askForOperations, type PendingOperations } from "./pending-operations.ts"
import { publishNewest } from "./publish-newest.ts"
import { keepDocument } from "./settings-document.ts"

export interface HealthOptions {
  /** Undefined: the mapper is thin-edge.io's, and publishes its own state; the service's link has the bridge's will. */
  readonly service: ServiceIdentity | undefined
  readonly bridge: ServiceTopics
  /** The document of the mapper's settings; undefined: none is published. */
  readonly settings: MqttMessage | undefined
  /** Undefined: not requested. */
  readonly pendingOperations: PendingOperations | undefined
}

interface HealthPeers {
  /** The connection whose will reports the end of the mapper; of the bridge where the mapper is not ours. */
  readonly serviceLink: ActorRef<LinkProtocol>
  /** The bridge's local connection, whose will reports the bridge's end where the mapper is ours. */
  readonly bridgeLink: ActorRef<LinkProtocol>
  readonly cloudLink: ActorRef<LinkProtocol>
}

export const healthMailbox: MailboxSpec = { capacity: 64, overflow: { policy: "block" } }

export const healthBehaviour = (
  { service, bridge, settings, pendingOperations }: HealthOptions,
  peers: HealthPeers
): Behaviour<HealthProtocol> => ({
  init: (context) =>
    Effect.gen(function* () {
      const publishService = yield* publishNewest(context, peers.serviceLink)
      const publishBridge = service === undefined ? publishService : yield* publishNewest(context, peers.bridgeLink)
      let state: State = { links: "", parked: [] }
      let serviceIsUp = false
      const asker =
        pendingOperations &&
        (yield* askForOperations(context, pendingOperations, { cloud: peers.cloudLink, publish: publishService }))
      const otherMapperRuns = () => asker?.otherMapper() ?? false
      const document =
        settings && (yield* keepDocument(context, settings, { publish: publishService, otherMapperRuns }))
      const up = (identity: ServiceIdentity) =>
        Effect.map(wallNow, (now) => {
          const health = serviceUp(identity, now)
          asker?.ownHealth(health)
          return health
        })
      const publishBridgeNews = (news: ReadonlyArray<MqttMessage>) =>
        // Published when the link is up.
        service === undefined && !serviceIsUp ? Effect.void : publishBridge(news)
      return {
        LinkChanged: ({ status }) =>
          Effect.gen(function* () {
            serviceIsUp = status._tag === "Up"
            if (serviceIsUp) {
              yield* service === undefined
                ? publishBridgeNews(allOf(bridge, state))
                : publishService([registration(service), yield* up(service)])
              if (document) yield* document.publish
            }
            if (asker) yield* asker.serviceChanged(status)
          }),
        Received: ({ deliveries }) =>
          Effect.gen(function* () {
            const isAsked = deliveries.some(({ message }) => service?.topics.healthChecks.includes(message.topic))
            if (service !== undefined && isAsked) yield* publishService([yield* up(service)])
            for (const { message } of deliveries) {
              if (asker) yield* asker.received(message)
              if (document) yield* document.received(message)
            }
            const done = deliveries.map(({ delivery }) => delivery)
            yield* Effect.ignore(peers.serviceLink.tell("Acknowledge", { deliveries: done }))
          }),
        BridgeHealth: (now) =>
          Effect.gen(function* () {
            const before = state
            const links = linksReasonOf(now, yield* wallNow) ?? before.links
            state = { ...before, ...now, links }
            // While the local broker was down, it published the will of the bridge's link.
            const isBack = service !== undefined && now.local._tag === "Up" && before.local?._tag !== "Up"
            yield* publishBridgeNews(isBack ? allOf(bridge, state) : newsOf(bridge, before, state))
            if (asker) yield* asker.bridgeChanged(now)
          }),
        ActorsParked: ({ parked }) =>
          Effect.suspend(() => {
            const before = state
            state = { ...before, parked }
            return publishBridgeNews(newsOf(bridge, before, state))
          })
      }
    })
})

/** The state that the bridge's topics hold. */
type State = Partial<BridgeHealth> & {
  /** The faults of the links, in one line; empty: none. */
  readonly links: string
  readonly parked: ReadonlyArray<ParkedActor>
}

const newsOf = (bridge: ServiceTopics, before: State, now: State): ReadonlyArray<MqttMessage> => {
  const reason = reasonOf(now)
  return [
    ...(now.health !== undefined && now.health !== before.health ? [bridgeHealth(bridge, now.health)] : []),
    ...(reason !== reasonOf(before) ? [bridgeReason(bridge, reason)] : [])
  ]
}

const allOf = (bridge: ServiceTopics, state: State): ReadonlyArray<MqttMessage> => [
  ...(state.health === undefined ? [] : [bridgeHealth(bridge, state.health)]),
  bridgeReason(bridge, reasonOf(state))
]

const reasonOf = ({ links, parked }: State): string =>
  [links, ...parked.map((one) => explainParked(one, dateText))].filter((text) => text !== "").join("; ")

/** Undefined while it connects: earlier faults may persist. `now`: milliseconds since 1970. */
const linksReasonOf = (state: BridgeHealth, now: number): string | undefined =>
  explainBridgeState(state, (retryInMs) => `at ${dateText(now + retryInMs)}`)
