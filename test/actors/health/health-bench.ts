/** HealthActor with links that only remember what they were asked to publish. */
import { Effect, type Scope } from "effect"
import { type HealthOptions, healthBehaviour, healthMailbox } from "../../../src/actors/health/health-actor.ts"
import type { HealthProtocol } from "../../../src/messages/bridge.ts"
import { ConnectionLost, type LinkProtocol, type LinkStatus } from "../../../src/messages/mqtt.ts"
import { serviceTopics } from "../../../src/messages/service-topics.ts"
import { start } from "../../../src/runtime/actor.ts"
import type { ActorRef } from "../../../src/runtime/protocol.ts"

const device = { topicRoot: "te", deviceTopicId: "device/main//" }
export const bridge = serviceTopics(device, "bridge")
export const service = {
  name: "mapper",
  topics: serviceTopics(device, "mapper"),
  deviceTopicId: device.deviceTopicId,
  type: "service",
  pid: 1,
  timestampFormat: "unix" as const
}

interface FakeLink {
  readonly ref: ActorRef<LinkProtocol>
  readonly published: Array<readonly [topic: string, payload: string]>
  readonly acknowledged: Array<number>
  isUp: boolean
}

const startFakeLink = (name: string): Effect.Effect<FakeLink, never, Scope.Scope> =>
  Effect.gen(function* () {
    const published: FakeLink["published"] = []
    const acknowledged: Array<number> = []
    const link = { published, acknowledged, isUp: true }
    const cutOff = new ConnectionLost({ host: "h", port: 1, stage: "connected", detail: "" })
    const ref = yield* start<LinkProtocol, never, never>({
      name,
      mailbox: { capacity: 16, overflow: { policy: "refuse" } },
      behaviour: {
        init: () =>
          Effect.succeed({
            Publish: ({ message }) =>
              Effect.suspend(() => {
                if (!link.isUp) return Effect.fail(cutOff)
                published.push([message.topic, Buffer.from(message.payload).toString()])
                return Effect.void
              }),
            PublishAll: () => Effect.succeed({ sent: true, failed: [] }),
            Acknowledge: ({ deliveries }) => Effect.sync(() => void acknowledged.push(...deliveries)),
            RetryNow: () => Effect.void,
            Status: () => Effect.succeed({ _tag: "Stopped" as const })
          })
      }
    })
    return Object.assign(link, { ref })
  })

export const startHealthWith = (options: Partial<HealthOptions>) =>
  Effect.gen(function* () {
    const serviceLink = yield* startFakeLink("service")
    const bridgeLink = yield* startFakeLink("local")
    const health = yield* start<HealthProtocol, never, never>({
      name: "health",
      mailbox: healthMailbox,
      behaviour: healthBehaviour(
        { service, bridge, settings: undefined, pendingOperations: undefined, ...options },
        { serviceLink: serviceLink.ref, bridgeLink: bridgeLink.ref, cloudLink: bridgeLink.ref }
      )
    })
    return { health, serviceLink, bridgeLink }
  })

export const up: LinkStatus = { _tag: "Up", sessionPresent: false, connection: 1, faults: [] }
