/** The listeners of the local broker and the marker of the connection; undone as they were before. */
import { readdirSync } from "node:fs"
import { basename, join } from "node:path"
import { Effect } from "effect"
import type { ConnectRefusal } from "../../../messages/connect.ts"
import { putBack, readIfPresent, writeWhole } from "../connect-files.ts"
import { markerPath, mosquittoDir, type ValidConnection } from "../connection.ts"
import { markerText, tedgeMosquittoConf } from "../mosquitto-conf.ts"
import type { OnFailure } from "../transaction.ts"

export const writeMosquittoFiles = (
  connection: ValidConnection,
  onFailure: OnFailure
): Effect.Effect<void, ConnectRefusal> => {
  const write = (path: string, content: string, undo = whenUndone) =>
    Effect.gen(function* () {
      const before = yield* readIfPresent(path)
      yield* onFailure(undo(putBack(path, before)))
      yield* writeWhole(path, content)
    })
  const { mqtt } = connection.settings
  const listeners = join(mosquittoDir(connection), "tedge-mosquitto.conf")
  return Effect.andThen(
    mqtt.bindEnabled ? write(listeners, tedgeMosquittoConf(mqtt), unlessShared(connection)) : Effect.void,
    write(markerPath(connection), markerText("unverified"))
  )
}

/** A check has shown that the connection works, or the user wanted none. */
export const markVerified = (connection: ValidConnection): Effect.Effect<void, ConnectRefusal> =>
  writeWhole(markerPath(connection), markerText("verified"))

type Undo = Effect.Effect<void, ConnectRefusal>

const whenUndone = (undo: Undo): Undo => undo

/** Another cloud was connected meanwhile, or before: its broker needs the listeners. */
const unlessShared =
  (connection: ValidConnection) =>
  (undo: Undo): Undo =>
    Effect.suspend(() => (othersConnected(connection) ? Effect.void : undo))

const othersConnected = (connection: ValidConnection): boolean => {
  try {
    const ours = basename(markerPath(connection))
    return readdirSync(mosquittoDir(connection)).some((name) => name.endsWith("-bridge.conf") && name !== ours)
  } catch {
    return false // no directory, no connections
  }
}
