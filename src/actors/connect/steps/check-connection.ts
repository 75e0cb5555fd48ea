/**
 * "Verifying device is connected to cloud": the mapper sends the cloud a request over its own connection, and reports.
 *
 * It is asked over its UNIX socket. Topics of the local broker prove nothing: any client may publish there. The failed part is
 * reported: the local broker, the mapper, the bridge (with its own reason), or only the response. A mapper that does not keep
 * running is detected by its service manager, long before its socket would respond.
 * Source: thin-edge, tedge connect, "Connection check".
 */
import { Effect } from "effect"
import { ConnectionCheckFailed, type ConnectRefusal } from "../../../messages/connect.ts"
import type { MqttMessage } from "../../../messages/mqtt.ts"
import { type CheckAnswer, serviceSocketPath } from "../../../messages/service-socket.ts"
import { wallNow } from "../../../runtime/primitives/wall-time.ts"
import { bridgeUnit, type ValidConnection } from "../cloud-connection.ts"
import { closeQuietly } from "../conversation.ts"
import type { ConnectPeers } from "../peers.ts"
import { localTarget } from "../targets.ts"

/** The response of the cloud. */
export const checkConnection = (
  peers: ConnectPeers,
  connection: ValidConnection
): Effect.Effect<MqttMessage, ConnectRefusal> =>
  Effect.gen(function* () {
    const { settings } = connection
    yield* Effect.ensuring(openLocal(peers, connection), closeQuietly(peers))
    const path = serviceSocketPath(settings.run.path, bridgeUnit(connection))
    const answer = yield* Effect.raceFirst(peers.checkCloud(path, patienceMs), whenItEnds(connection))
    if (answer?.ok === true)
      return { topic: answer.topic, payload: Buffer.from(answer.payload, "base64"), qos: 1, retain: false }
    return yield* noAnswer(connection, answer)
  })

const patienceMs = 10_000

/** Fails once two consecutive checks find the mapper down: one may coincide with a requested restart. */
const whenItEnds = (connection: ValidConnection): Effect.Effect<never, ConnectionCheckFailed> => {
  const { services } = connection
  const look = Effect.andThen(Effect.sleep("1 second"), services.whyItEnds(bridgeUnit(connection)))
  const ended: Effect.Effect<string> = Effect.flatMap(look, (first) =>
    first === undefined
      ? ended
      : Effect.flatMap(look, (second) => (second === undefined ? ended : Effect.succeed(second)))
  )
  return Effect.flatMap(ended, (detail) =>
    Effect.fail(new ConnectionCheckFailed({ ...ofCheck(connection), reason: "serviceEnds", detail, cause: undefined }))
  )
}

/** The mapper needs it as much as this command. */
const openLocal = (peers: ConnectPeers, connection: ValidConnection): Effect.Effect<void, ConnectRefusal> =>
  Effect.gen(function* () {
    const { cloud, settings } = connection
    const clientId = `check_connection_${cloud.name}_${process.pid}_${yield* wallNow}`
    const target = yield* localTarget(settings, { clientId, connectWithinMs: 5000 })
    yield* peers.session.ask("Open", { target }, { within: "6 seconds" }).pipe(
      Effect.mapError((failure) =>
        failure._tag === "AskTimeout" || failure._tag === "PeerDown" || failure._tag === "Undeliverable"
          ? failure
          : new ConnectionCheckFailed({
              ...ofCheck(connection),
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
    const { services } = connection
    const mapper = bridgeUnit(connection)
    const look = `see: ${services.whereToLook(mapper)}`
    const of = { ...ofCheck(connection), cause: undefined }
    if (answer?.health === "up")
      return yield* answer.status === undefined
        ? new ConnectionCheckFailed({ ...of, reason: "noAnswer", detail: "" })
        : new ConnectionCheckFailed({ ...of, reason: "refused", detail: answer.reason })
    const runs = yield* services.isActive(mapper)
    if (!runs)
      return yield* new ConnectionCheckFailed({
        ...of,
        reason: "bridgeDown",
        detail: `${mapper} is not running; ${look}`
      })
    if (answer === undefined)
      return yield* new ConnectionCheckFailed({
        ...of,
        reason: "inProgress",
        detail: `${mapper} has not said anything yet; ${look}`
      })
    // Down without a reason: it is connecting.
    return yield* answer.reason === ""
      ? new ConnectionCheckFailed({ ...of, reason: "inProgress", detail: `${mapper} is connecting; ${look}` })
      : new ConnectionCheckFailed({ ...of, reason: "bridgeDown", detail: answer.reason })
  })

const ofCheck = (connection: ValidConnection) => ({ cloud: connection.cloud.name, unit: bridgeUnit(connection) })
