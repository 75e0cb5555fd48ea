/** Says how the mapper and its bridge are: registered, up, answering checks, and why the bridge is down. */
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
  readonly service: ServiceIdentity
  readonly bridge: ServiceTopics
  /** The document of the mapper's settings; undefined: none is published. */
  readonly settings: MqttMessage | undefined
  /** Undefined: nothing is asked for. */
  readonly pendingOperations: PendingOperations | undefined
}

export interface HealthPeers {
  /** The connection whose will tells the mapper's end. */
  readonly serviceLink: ActorRef<LinkProtocol>
  /** The bridge's local connection, whose will tells the bridge's end. */
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
      const publishBridge = yield* publishNewest(context, peers.bridgeLink)
      let told: Told = nothingTold
      const asker =
        pendingOperations &&
        (yield* askForOperations(context, pendingOperations, { cloud: peers.cloudLink, publish: publishService }))
      const givesWay = () => asker?.otherMapper() ?? false
      const document = settings && (yield* keepDocument(context, settings, { publish: publishService, givesWay }))
      const up = Effect.map(wallNow, (now) => {
        const health = serviceUp(service, now)
        asker?.ownHealth(health)
        return health
      })
      return {
        LinkChanged: ({ status }) =>
          Effect.gen(function* () {
            if (status._tag === "Up") {
              yield* publishService([registration(service), yield* up])
              if (document) yield* document.publish
            }
            if (asker) yield* asker.serviceChanged(status)
          }),
        Received: ({ deliveries }) =>
          Effect.gen(function* () {
            const isAsked = deliveries.some(({ message }) => service.topics.healthChecks.includes(message.topic))
            if (isAsked) yield* publishService([yield* up])
            for (const { message } of deliveries) {
              if (asker) yield* asker.heard(message)
              if (document) yield* document.heard(message)
            }
            const done = deliveries.map(({ delivery }) => delivery)
            yield* Effect.ignore(peers.serviceLink.tell("Acknowledge", { deliveries: done }))
          }),
        BridgeHealth: (now) =>
          Effect.gen(function* () {
            const before = told
            const links = linksReasonOf(now, yield* wallNow) ?? before.links
            told = { ...before, ...now, links }
            yield* publishBridge(newsOf(bridge, before, told))
            if (asker) yield* asker.bridgeChanged(now)
          }),
        ActorsParked: ({ parked }) =>
          Effect.suspend(() => {
            const before = told
            told = { ...before, parked }
            return publishBridge(newsOf(bridge, before, told))
          })
      }
    })
})

type Told = Partial<BridgeHealth> & {
  /** What is wrong with the links, in one line; empty: nothing is. */
  readonly links: string
  readonly parked: ReadonlyArray<ParkedActor>
}

const nothingTold: Told = { links: "", parked: [] }

const newsOf = (bridge: ServiceTopics, before: Told, now: Told): ReadonlyArray<MqttMessage> => {
  const { health, local } = now
  const reason = reasonOf(now)
  // While the local broker was away, it published our will.
  const isBack = local?._tag === "Up" && before.local?._tag !== "Up"
  return [
    ...(health !== undefined && (health !== before.health || isBack) ? [bridgeHealth(bridge, health)] : []),
    ...(reason !== reasonOf(before) || isBack ? [bridgeReason(bridge, reason)] : [])
  ]
}

const reasonOf = ({ links, parked }: Told): string =>
  [links, ...parked.map((one) => explainParked(one, dateText))].filter((text) => text !== "").join("; ")

/** Undefined while a new attempt is under way: what was wrong before still is. `now`: milliseconds since 1970. */
const linksReasonOf = (state: BridgeHealth, now: number): string | undefined =>
  explainBridgeState(state, (retryInMs) => `at ${dateText(now + retryInMs)}`)
