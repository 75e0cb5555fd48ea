/**
 * The configuration of a mosquitto that tedge itself starts, where no service manager does.
 *
 * Debian's mosquitto.conf keeps messages over a restart and includes our files; without it, our file alone would lose what
 * waits for the cloud at each reconnect.
 */
import { join } from "node:path"
import type { Settings } from "../../../messages/settings/resolved-settings.ts"
import { replaceFileNow } from "../../../platform/files/atomic-file.ts"
import type { Owner } from "../../../platform/files/file-calls.ts"
import { makeDirectories } from "../../../platform/files/given-files.ts"
import { account } from "../../../platform/users/accounts.ts"
import { ownerIn } from "../../../platform/users/file-owner.ts"

/** The path of the file mosquitto is started with. Without a place for its messages: the listeners alone. */
export const ownMosquittoConf = (settings: Settings): string => {
  const included = join(settings.configDir, "mosquitto-conf")
  const store = join(settings.dataPath, "mosquitto")
  const dir = join(settings.run.path, "tedge-services")
  const path = join(dir, "mosquitto.conf")
  try {
    makeDirectories(store, { owner: ownerOfStore(settings.configDir), mode: 0o700 })
    makeDirectories(dir, { owner: ownerIn(settings.configDir) })
    replaceFileNow({ path, content: mosquittoConf(included, store), mode: 0o644 })
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

/** Whom mosquitto runs as: the user of the services, or the one it changes to when root starts it. */
const ownerOfStore = (configDir: string): Owner | undefined =>
  ownerIn(configDir) ?? (process.getuid?.() === 0 ? account("mosquitto") : undefined)
