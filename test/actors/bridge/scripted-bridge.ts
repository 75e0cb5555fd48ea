/** BridgeActor between two scripted links, on the test clock. */
import { Effect, Result, type Scope } from "effect"
import { bridgeBehaviour, bridgeMailbox } from "../../../src/actors/bridge/bridge-actor.ts"
import { limitsOf } from "../../../src/actors/bridge/cloud-limits.ts"
import { rulesForAws } from "../../../src/actors/bridge/rules.ts"
import type { BridgeHealth, BridgeProtocol, HealthProtocol } from "../../../src/messages/bridge.ts"
import {
  BrokerRefused,
  ConnectionLost,
  type LinkProtocol,
  type LinkStatus,
  type MqttMessage,
  type MqttRefusal,
  type Side
} from "../../../src/messages/mqtt.ts"
import { start } from "../../../src/runtime/actor.ts"
import type { ActorRef } from "../../../src/runtime/protocol.ts"
import { settled, withTestClock } from "../../../src/testing/test-clock.ts"
import { quietly } from "../../support/quietly.ts"

export class ScriptedLink {
  readonly published: Array<string> = []
  readonly acknowledged: Array<number> = []
  /** How publishes go. */
  outcome: "accepted" | "slow" | "cutOff" | "pending" = "accepted"
  /** The next publish on such a topic fails. */
  readonly failures = new Map<string, MqttRefusal>()
  /** Publishes on such a topic are refused with this code. */
  readonly refusing = new Map<string, number>()
  /** The connection ends at the first message that fits, as a cloud does that does not take it. */
  hangsUpAt: (message: MqttMessage) => boolean = () => false
  /** Connections that ended so. */
  disconnects = 0
  /** Topics, once per attempt. */
  readonly attempts: Array<string> = []
  waiting = 0
  mostWaiting = 0
  ref: ActorRef<LinkProtocol> | undefined

  publishAll(messages: ReadonlyArray<MqttMessage>) {
    const at = messages.findIndex((message) => this.hangsUpAt(message))
    if (at >= 0) {
      this.disconnects += 1
      this.attempts.push(...messages.map(({ topic }) => topic))
      this.published.push(...messages.slice(0, at).map(({ topic }) => topic))
      const refusal = new ConnectionLost({ host: "h", port: 1, stage: "connected", detail: "" })
      return Effect.succeed({ sent: true, failed: messages.slice(at).map((_, n) => ({ index: at + n, refusal })) })
    }
    const each = Effect.forEach(messages, (message) => Effect.result(this.publish(message)), { concurrency: 1_000 })
    return Effect.map(each, (results) => ({
      sent: true,
      failed: results.flatMap((one, index) => (Result.isFailure(one) ? [{ index, refusal: one.failure }] : []))
    }))
  }

  publish({ topic }: MqttMessage) {
    return Effect.gen({ self: this }, function* () {
      this.waiting += 1
      this.attempts.push(topic)
      this.mostWaiting = Math.max(this.mostWaiting, this.waiting)
      if (this.outcome === "pending") return yield* Effect.never
      if (this.outcome === "slow") yield* Effect.sleep("3 seconds")
      yield* Effect.yieldNow
      const failure = this.failures.get(topic)
      this.failures.delete(topic)
      if (failure !== undefined) return yield* Effect.fail(failure)
      const code = this.refusing.get(topic)
      if (code !== undefined) return yield* Effect.fail(new BrokerRefused({ ...place, code, detail: "" }))
      if (this.outcome === "cutOff")
        return yield* Effect.fail(new ConnectionLost({ host: "h", port: 1, stage: "connected", detail: "" }))
      this.published.push(topic)
    }).pipe(
      Effect.ensuring(
        Effect.sync(() => {
          this.waiting -= 1
        })
      )
    )
  }
}

const startLink = (name: string) =>
  Effect.gen(function* () {
    const link = new ScriptedLink()
    const ref = yield* start<LinkProtocol, never, never>({
      name,
      mailbox: { capacity: 1_000, overflow: { policy: "refuse" } },
      behaviour: {
        concurrent: { tags: ["Publish", "PublishAll"], inFlight: 1_000 },
        init: () =>
          Effect.succeed({
            Publish: ({ message }) => link.publish(message),
            PublishAll: ({ messages }) => link.publishAll(messages),
            Acknowledge: ({ deliveries }) => Effect.sync(() => void link.acknowledged.push(...deliveries)),
            RetryNow: () => Effect.void,
            Status: () => Effect.succeed({ _tag: "Stopped" as const })
          })
      }
    })
    return Object.assign(link, { ref })
  })

export const startBridge: Effect.Effect<
  {
    readonly bridge: ActorRef<BridgeProtocol>
    readonly local: ScriptedLink
    readonly cloud: ScriptedLink
    readonly health: Array<BridgeHealth["health"]>
    readonly receive: (side: Side, delivery: number, topic: string, qos?: 0 | 1) => Effect.Effect<void>
    readonly change: (side: Side, status: LinkStatus) => Effect.Effect<void>
  },
  never,
  Scope.Scope
> = Effect.gen(function* () {
  const local = yield* startLink("local")
  const cloud = yield* startLink("cloud")
  const told: Array<BridgeHealth["health"]> = []
  const health = yield* start<HealthProtocol, never, never>({
    name: "health",
    mailbox: { capacity: 64, overflow: { policy: "block" } },
    behaviour: {
      init: () =>
        Effect.succeed({
          LinkChanged: () => Effect.void,
          Received: () => Effect.void,
          BridgeHealth: (now) => Effect.sync(() => void told.push(now.health)),
          ActorsParked: () => Effect.void
        })
    }
  })
  const bridge = yield* start<BridgeProtocol, never, never>({
    name: "bridge",
    mailbox: bridgeMailbox,
    behaviour: bridgeBehaviour(
      {
        rules: rulesForAws("aws", "dev01"),
        maxPayloadSize: 100,
        maxPayloadSetting: "aws.mapper.mqtt.max_payload_size",
        limits: limitsOf("aws"),
        check: {
          question: () => ({ topic: question, payload: Buffer.alloc(0), qos: 1, retain: false }),
          judge: ({ topic }) => (topic === "aws/connection-success" ? "answer" : "other")
        }
      },
      { local: local.ref, cloud: cloud.ref, health }
    )
  })
  const receive = (side: Side, delivery: number, topic: string, qos: 0 | 1 = 1) => {
    const message = { topic, payload: Buffer.from("x"), qos, retain: false }
    return Effect.andThen(
      Effect.ignore(bridge.tell("Received", { side, deliveries: [{ delivery, message }] })),
      settled
    )
  }
  const change = (side: Side, status: LinkStatus) =>
    Effect.andThen(Effect.ignore(bridge.tell("LinkChanged", { side, status })), settled)
  return { bridge, local, cloud, health: told, receive, change }
})

/** The device hears itself. */
export const question = "thinedge/devices/dev01/test-connection"

export const place = { host: "h", port: 1 }

/** Each is another connection. */
export const up = (sessionPresent: boolean): LinkStatus => ({
  _tag: "Up",
  sessionPresent,
  connection: ++connections.last,
  faults: []
})

const connections = { last: 0 }

export const down: LinkStatus = {
  _tag: "Down",
  failure: new ConnectionLost({ host: "h", port: 1, stage: "connected", detail: "" }),
  retryInMs: 1,
  attempt: 1
}

export const run = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>) => withTestClock(quietly(effect))
