/**
 * "Verifying device is connected to cloud": the mapper asks the cloud a question over its own connection, and tells.
 *
 * It is asked over its UNIX socket. Topics of the local broker prove nothing: anybody may publish there. What is missing is
 * told apart: the local broker, the mapper, the bridge (with its own reason), or only the answer.
 * Source: thin-edge, tedge connect, "Connection check".
 */
import { Effect } from "effect"
import { ConnectionCheckFailed, type ConnectRefusal } from "../../../messages/connect.ts"
import type { MqttMessage } from "../../../messages/mqtt.ts"
import { type CheckAnswer, serviceSocketPath } from "../../../messages/service-socket.ts"
import { wallNow } from "../../../runtime/primitives/wall-time.ts"
import { mapperService, type ValidConnection } from "../connection.ts"
import { closeQuietly } from "../conversation.ts"
import type { ConnectPeers } from "../peers.ts"
import { localTarget } from "../targets.ts"

/** The answer of the cloud. */
export const checkConnection = (
  peers: ConnectPeers,
  connection: ValidConnection
): Effect.Effect<MqttMessage, ConnectRefusal> =>
  Effect.gen(function* () {
    const { settings } = connection
    yield* Effect.ensuring(openLocal(peers, connection), closeQuietly(peers))
    const path = serviceSocketPath(settings.run.path, mapperService(connection))
    const answer = yield* peers.checkCloud(path, patienceMs)
    if (answer?.ok === true)
      return { topic: answer.topic, payload: Buffer.from(answer.payload, "base64"), qos: 1, retain: false }
    return yield* noAnswer(connection, answer)
  })

const patienceMs = 10_000

/** The mapper needs it as much as this command. */
const openLocal = (
  peers: ConnectPeers,
  { cloud, profile, settings }: ValidConnection
): Effect.Effect<void, ConnectRefusal> =>
  Effect.gen(function* () {
    const clientId = `check_connection_${cloud.name}_${process.pid}_${yield* wallNow}`
    const target = yield* localTarget(settings, { clientId, connectWithinMs: 5000 })
    yield* peers.session.ask("Open", { target }, { within: "6 seconds" }).pipe(
      Effect.mapError((failure) =>
        failure._tag === "AskTimeout" || failure._tag === "PeerDown" || failure._tag === "Undeliverable"
          ? failure
          : new ConnectionCheckFailed({
              cloud: cloud.name,
              profile,
              reason: "localBroker",
              detail: "",
              cause: failure
            })
      )
    )
  })

const noAnswer = (
  connection: ValidConnection,
  answer: (CheckAnswer & { readonly ok: false }) | undefined
): Effect.Effect<never, ConnectRefusal> =>
  Effect.gen(function* () {
    const { cloud, profile, services } = connection
    const mapper = mapperService(connection)
    const look = `see: ${services.whereToLook(mapper)}`
    const of = { cloud: cloud.name, profile, cause: undefined }
    if (answer?.health === "up")
      return yield* answer.status === undefined
        ? new ConnectionCheckFailed({ ...of, reason: "noAnswer", detail: "" })
        : new ConnectionCheckFailed({ ...of, reason: "refused", detail: answer.reason })
    const runs = yield* services.isActive(mapper)
    const detail = !runs
      ? `${mapper} is not running; ${look}`
      : answer === undefined
        ? `${mapper} has not said anything yet; ${look}`
        : answer.reason === ""
          ? look
          : answer.reason
    return yield* new ConnectionCheckFailed({ ...of, reason: "bridgeDown", detail })
  })
