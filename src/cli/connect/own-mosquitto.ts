/**
 * The configuration of a mosquitto that tedge itself starts, where no service manager does.
 *
 * Debian's mosquitto.conf keeps messages over a restart and includes our files; without it, our file alone would lose what
 * waits for the cloud at each reconnect.
 */
import { closeSync, constants, fchmodSync, fchownSync, mkdirSync, openSync, renameSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileOwner } from "../../actors/config/file-owner.ts"
import type { Settings } from "../../messages/settings/resolved-settings.ts"
import { account } from "../../platform/accounts.ts"
import { makeDirectory } from "../../platform/make-directory.ts"

/** The path of the file mosquitto is started with. Without a place for its messages: the listeners alone. */
export const ownMosquittoConf = (settings: Settings): string => {
  const included = join(settings.configDir, "mosquitto-conf")
  const store = join(settings.dataPath, "mosquitto")
  try {
    makeStore(settings.configDir, store)
    const path = join(settings.run.path, "tedge-services", "mosquitto.conf")
    makeDirectory(join(settings.run.path, "tedge-services"))
    const temporary = `${path}.${process.pid}`
    writeFileSync(temporary, mosquittoConf(included, store), { flag: "wx", mode: 0o644 })
    renameSync(temporary, path)
    return path
  } catch {
    // A place that cannot be written is no reason to be without a broker.
    return join(included, "tedge-mosquitto.conf")
  }
}

export const mosquittoConf = (included: string, store: string): string =>
  [
    "# Made by tedge for the mosquitto that it starts itself; changes are lost.",
    "persistence true",
    `persistence_location ${store}/`,
    "autosave_interval 30",
    `include_dir ${included}`,
    ""
  ].join("\n")

/** For the user mosquitto will run as: that of the services, or the one it changes to when root starts it. */
const makeStore = (configDir: string, store: string): void => {
  makeDirectory(join(store, ".."))
  try {
    mkdirSync(store, { mode: 0o700 })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return
    throw error
  }
  const descriptor = openSync(store, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW)
  try {
    fchmodSync(descriptor, 0o700)
    if (process.getuid?.() !== 0) return
    const owner = fileOwner(configDir)
    const user = owner.kind === "owner" ? owner : account("mosquitto")
    if (user !== undefined) fchownSync(descriptor, user.uid, user.gid)
  } finally {
    closeSync(descriptor)
  }
}
