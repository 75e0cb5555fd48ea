/** The listeners of the local broker and the marker of the connection; restored on rollback. */
import { readdirSync } from "node:fs"
import { basename, join } from "node:path"
import { Effect } from "effect"
import type { ConnectRefusal } from "../../../messages/connect.ts"
import { bridgeService } from "../../../messages/installation/bridge-service.ts"
import { machineFile, machineMark, printMachineMark } from "../../../platform/process/machine-mark.ts"
import { markerPath, mosquittoDir, type ValidConnection } from "../cloud-connection.ts"
import { putBack, readIfPresent, writeWhole } from "../connect-files.ts"
import {
  forgetsPerListener,
  hasTwoKindsOfListeners,
  markerText,
  outageConf,
  tedgeMosquittoConf
} from "../mosquitto-conf.ts"
import type { ConnectPeers } from "../peers.ts"
import { fileWithAccessRules, readMosquittoConf } from "../read-mosquitto-conf.ts"
import type { OnFailure } from "../transaction.ts"

export const writeMosquittoFiles = (
  peers: ConnectPeers,
  connection: ValidConnection,
  onFailure: OnFailure
): Effect.Effect<void, ConnectRefusal> => {
  const write = (path: string, content: string, undo = whenUndone) =>
    Effect.gen(function* () {
      const before = yield* readIfPresent(path)
      yield* onFailure(undo(putBack(path, before)))
      yield* writeWhole(path, content)
    })
  const { mqtt, installation } = connection.settings
  const writeListeners = Effect.gen(function* () {
    const because = perListenerBecause(connection, peers.mainMosquittoConf)
    if (because !== undefined && forgetsPerListener(connection.mosquittoVersion))
      yield* peers.show({ _tag: "Noted", note: { _tag: "BrokerForgets", because } })
    const listeners = join(mosquittoDir(connection), "tedge-mosquitto.conf")
    const conf = tedgeMosquittoConf(mqtt, because === undefined ? "per broker" : "per listener")
    if (installation === "everything-ours") return yield* write(listeners, conf, unlessShared(connection))
    // It is thin-edge.io's, and created here only if missing: with the listeners of another file mosquitto would exit.
    if ((yield* readIfPresent(listeners)) === undefined) yield* write(listeners, conf, unlessShared(connection))
    yield* write(join(mosquittoDir(connection), "tedge-hsm-mosquitto.conf"), outageConf, unlessShared(connection))
  })
  return Effect.andThen(
    mqtt.bindEnabled ? writeListeners : Effect.void,
    write(markerPath(connection), markerText("unverified", carrierOf(connection)))
  )
}

/** A file with its own access rules, so that each listener must keep its own; undefined: one rule applies to all. */
const perListenerBecause = (connection: ValidConnection, main: string): string | undefined =>
  hasTwoKindsOfListeners(connection.settings.mqtt)
    ? "mqtt.external.ca_path"
    : fileWithAccessRules(readMosquittoConf(connection, main))

/** A check has shown that the connection works, or the user skipped it. */
export const markVerified = (connection: ValidConnection): Effect.Effect<void, ConnectRefusal> =>
  Effect.andThen(
    writeWhole(markerPath(connection), markerText("verified", carrierOf(connection))),
    writeWhole(machineFile(connection.settings.configDir), printMachineMark(machineMark()))
  )

const carrierOf = ({ settings }: ValidConnection): string | undefined => {
  const { mapper, unit } = bridgeService(settings)
  return mapper.is === "ours" ? undefined : unit
}

type Undo = Effect.Effect<void, ConnectRefusal>

const whenUndone = (undo: Undo): Undo => undo

/** Another cloud was connected before or meanwhile: its broker needs the listeners. */
const unlessShared =
  (connection: ValidConnection) =>
  (undo: Undo): Undo =>
    Effect.suspend(() => (othersConnected(connection) ? Effect.void : undo))

/** Whether another cloud, or another profile of this one, is connected over the same local broker. */
export const othersConnected = (connection: ValidConnection): boolean => {
  try {
    const ours = basename(markerPath(connection))
    return readdirSync(mosquittoDir(connection)).some((name) => name.endsWith("-bridge.conf") && name !== ours)
  } catch {
    return false // no directory, no connections
  }
}
