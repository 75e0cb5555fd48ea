/**
 * "Verifying device is connected to cloud": asks the cloud a question through the local broker and the bridge.
 *
 * What is missing is told apart: the local broker, the bridge (with its own reason), or only the answer.
 * Source: thin-edge, tedge connect, "Connection check".
 */
import { Effect, Option } from "effect"
import { ConnectionCheckFailed, type ConnectRefusal } from "../../../messages/connect.ts"
import type { MqttMessage } from "../../../messages/mqtt.ts"
import { wallNow } from "../../../runtime/wall-time.ts"
import { bridgeTopics, mapperService, type ValidConnection } from "../connection.ts"
import { closeQuietly, message, nextMessage, payloadText, publish, subscribe } from "../conversation.ts"
import type { ConnectPeers } from "../peers.ts"
import { localTarget } from "../targets.ts"

/** The answer of the cloud. */
export const checkConnection = (
  peers: ConnectPeers,
  connection: ValidConnection
): Effect.Effect<MqttMessage, ConnectRefusal> =>
  Effect.gen(function* () {
    const { cloud, settings } = connection
    yield* openLocal(peers, connection)
    const { topicPrefix } = settings.cloud
    const question = cloud.question(connection.auth.kind)
    const answers = `${topicPrefix}/${question.listen}`
    const { topic, payload, qos } = question.ask
    const said = bridgeTopics(connection)
    yield* subscribe(peers, [said.health, said.reason, answers], 1)
    const asked = publish(peers, message(`${topicPrefix}/${topic}`, payload, qos))
    const bridge: Bridge = { health: "unknown", reason: "" }
    /** Each sign of a working bridge is a reason to ask (again): a question sent before was lost. */
    const untilAnswered = Effect.gen(function* () {
      for (;;) {
        const heard = yield* nextMessage(peers)
        if (heard.topic === said.reason) bridge.reason = payloadText(heard)
        else if (heard.topic === said.health) {
          bridge.health = bridgeHealth(payloadText(heard))
          if (bridge.health === "up") yield* asked
        } else if (question.isAnswer(heard)) return heard
      }
    })
    const answer = yield* Effect.timeoutOption(untilAnswered, patience)
    if (Option.isSome(answer)) return answer.value
    return yield* noAnswer(connection, bridge)
  }).pipe(Effect.ensuring(closeQuietly(peers)))

const patience = "10 seconds"

const openLocal = (peers: ConnectPeers, { cloud, settings }: ValidConnection): Effect.Effect<void, ConnectRefusal> =>
  Effect.gen(function* () {
    const clientId = `check_connection_${cloud.name}_${process.pid}_${yield* wallNow}`
    const target = yield* localTarget(settings, { clientId, connectWithinMs: 5000 })
    yield* peers.session
      .ask("Open", { target }, { within: "6 seconds" })
      .pipe(
        Effect.mapError((failure) =>
          failure._tag === "AskTimeout" || failure._tag === "PeerDown" || failure._tag === "Undeliverable"
            ? failure
            : new ConnectionCheckFailed({ cloud: cloud.name, reason: "localBroker", detail: "", cause: failure })
        )
      )
  })

interface Bridge {
  health: BridgeHealth
  /** What the bridge says of itself; empty: nothing. */
  reason: string
}

type BridgeHealth = "up" | "down" | "unknown"

const bridgeHealth = (payload: string): BridgeHealth => {
  try {
    const said: unknown = JSON.parse(payload)
    return typeof said === "object" && said !== null && Reflect.get(said, "status") === "up" ? "up" : "down"
  } catch {
    return "down" // nothing of ours, and nothing to ask the cloud for
  }
}

const noAnswer = (connection: ValidConnection, bridge: Bridge): Effect.Effect<never, ConnectRefusal> =>
  Effect.gen(function* () {
    const { cloud, services } = connection
    const mapper = mapperService(connection)
    const runs = yield* services.isActive(mapper)
    const look = `see: ${services.whereToLook(mapper)}`
    if (bridge.health === "up")
      return yield* new ConnectionCheckFailed({ cloud: cloud.name, reason: "noAnswer", detail: "", cause: undefined })
    const detail = !runs
      ? `${mapper} is not running; ${look}`
      : bridge.health === "unknown"
        ? `${mapper} has not said anything yet; ${look}`
        : bridge.reason === ""
          ? look
          : bridge.reason
    return yield* new ConnectionCheckFailed({ cloud: cloud.name, reason: "bridgeDown", detail, cause: undefined })
  })
