/**
 * Requests the pending operations from the cloud, once on each connection; not if another mapper does.
 *
 * That is checked at each connection: by a health check on the local broker, which a running mapper answers
 * immediately. Operations are requested only while both sides are up, so that no operation is lost.
 */
import { Clock, Effect } from "effect"
import type { BridgeHealth, HealthProtocol } from "../../messages/bridge.ts"
import type { LinkProtocol, LinkStatus, MqttMessage } from "../../messages/mqtt.ts"
import type { ActorContext } from "../../runtime/actor.ts"
import { monotonicMs } from "../../runtime/primitives/monotonic-time.ts"
import { WakeUp } from "../../runtime/primitives/wake-up.ts"
import type { ActorRef } from "../../runtime/protocol.ts"
import { explainOtherMapper, OtherMapper, type OtherMapperTopics } from "./other-mapper.ts"
import type { PublishNewest } from "./publish-newest.ts"

export interface PendingOperations extends OtherMapperTopics {
  /** Published to the cloud. */
  readonly request: MqttMessage
  /** Health check topics of mappers of the same cloud. */
  readonly checks: ReadonlyArray<string>
}

interface OperationsAsker {
  readonly ownHealth: (message: MqttMessage) => void
  readonly received: (message: MqttMessage) => Effect.Effect<void>
  readonly serviceChanged: (status: LinkStatus) => Effect.Effect<void>
  readonly bridgeChanged: (health: BridgeHealth) => Effect.Effect<void>
  /** Whether another mapper of this cloud has answered within the last minutes. */
  readonly otherMapper: () => boolean
}

export const askForOperations = (
  context: ActorContext<HealthProtocol>,
  options: PendingOperations,
  { cloud, publish }: { readonly cloud: ActorRef<LinkProtocol>; readonly publish: PublishNewest }
): Effect.Effect<OperationsAsker> =>
  Effect.gen(function* () {
    const clock = yield* Clock.Clock
    const now = () => monotonicMs(clock)
    const other = new OtherMapper(options)
    const wakeUp = new WakeUp()
    const state: State = { service: undefined, bridge: undefined, decidedFor: 0 }
    const due = () => {
      if (state.service?._tag !== "Up" || state.bridge?.health !== "up" || state.bridge.cloud._tag !== "Up")
        return undefined
      const { connection } = state.bridge.cloud
      return connection > state.decidedFor ? connection : undefined
    }

    const look = Effect.sync(() => wakeUp.notify())
    const askNext = Effect.gen(function* () {
      yield* wakeUp.wait
      const connection = due()
      if (connection === undefined) return
      const since = now()
      yield* publish(options.checks.map((topic) => ({ topic, payload: Buffer.from("{}"), qos: 1, retain: false })))
      yield* Effect.sleep(answersWithinMs)
      // Something went down meanwhile: checked again when all is up.
      if (due() !== connection) return yield* look
      const sign = other.signSince(since, now())
      if (sign === undefined) {
        const sent = yield* Effect.result(
          cloud.ask("PublishAll", { messages: [options.request], connection }, { within: "2 minutes" })
        )
        if (sent._tag === "Failure") return yield* look
      } else
        yield* Effect.annotateLogs(
          Effect.logInfo(`pending operations are not requested from the cloud: ${explainOtherMapper(sign)}`),
          { target: "tedge-mapper" }
        )
      state.decidedFor = connection
    })
    yield* context.task("ask for operations", Effect.forever(askNext))
    return {
      otherMapper: () => other.hasAnswered(now()),
      ownHealth: (message) => other.ownHealth(message),
      received: (message) => Effect.sync(() => other.received(message, now())),
      serviceChanged: (status) =>
        Effect.suspend(() => {
          state.service = status
          other.linkChanged(status, now())
          return look
        }),
      bridgeChanged: (bridge) =>
        Effect.suspend(() => {
          state.bridge = bridge
          other.linkChanged(bridge.local, now())
          other.linkChanged(bridge.cloud, now())
          return look
        })
    }
  })

interface State {
  service: LinkStatus | undefined
  bridge: BridgeHealth | undefined
  /** The last cloud connection for which this was decided. */
  decidedFor: number
}

/** A mapper that took our client id, or whose id we took, has reconnected by then. */
const answersWithinMs = 5_000
