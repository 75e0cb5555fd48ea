/**
 * "Creating device in Cumulocity cloud": registers the device there, over a direct connection.
 *
 * Cumulocity reports errors on `s/e`, after the PUBACK; the response to a second request shows that the first
 * was processed. Source: Cumulocity SmartREST 2.0, static templates 100 and 41 (device exists, no error here).
 */
import { Effect, Option } from "effect"
import { type ConnectRefusal, DeviceNotCreated } from "../../../messages/connect.ts"
import type { MqttMessage } from "../../../messages/mqtt.ts"
import type { ValidConnection } from "../cloud-connection.ts"
import { closeQuietly, message, nextMessage, payloadText, publish, smartRestLine, subscribe } from "../conversation.ts"
import type { ConnectPeers } from "../peers.ts"
import { cloudTarget } from "../targets.ts"

export const createDevice = (
  peers: ConnectPeers,
  connection: ValidConnection,
  connectWithinMs: number
): Effect.Effect<void, ConnectRefusal> => {
  const conversation = Effect.gen(function* () {
    const target = { ...cloudTarget(connection), connectWithinMs }
    yield* peers.session.ask("Open", { target }, { within: "70 seconds" })
    yield* subscribe(peers, ["s/e", "s/dat"], 0)
    const line = smartRestLine(["100", connection.deviceId, connection.settings.device.type])
    yield* publish(peers, message("s/us", line, 1))
    yield* publish(peers, message("s/uat", "", 0))
    yield* refuseReportedError(peers, connection)
  })
  // Without DISCONNECT the cloud would treat the next connection of this client id as a takeover.
  return Effect.ensuring(conversation, closeQuietly(peers))
}

/** The device was created if the cloud reports no error. */
const refuseReportedError = (
  peers: ConnectPeers,
  { host, deviceId }: ValidConnection
): Effect.Effect<void, ConnectRefusal> =>
  Effect.gen(function* () {
    const heard = yield* nextMessage(peers).pipe(Effect.repeat({ until: isTelling }), Effect.timeoutOption(errorWaitMs))
    if (Option.isNone(heard) || heard.value.topic !== "s/e") return
    return yield* new DeviceNotCreated({ host: host.host, deviceId, detail: payloadText(heard.value) })
  })

const isTelling = (heard: MqttMessage): boolean =>
  heard.topic === "s/dat" || (heard.topic === "s/e" && !payloadText(heard).startsWith("41,"))

/** A cloud that responds to neither request is assumed to have accepted the device. */
const errorWaitMs = 2000
