/**
 * A fingerprint of mosquitto's configuration files: if it equals that of the last restart, another restart would change
 * nothing, and would end every connection to the local broker.
 *
 * Comments do not count: the marker of a connection is one. Of files named in a line, and of those in a
 * directory, size, time and path count.
 */
import { createHash, type Hash } from "node:crypto"
import { statSync } from "node:fs"
import { join } from "node:path"
import { Effect } from "effect"
import type { Connection } from "./cloud-connection.ts"
import { readIfPresent, removeIfPresent, writeWhole } from "./connect-files.ts"
import { namesIn, optionIn, readMosquittoConf } from "./read-mosquitto-conf.ts"

/** Whether mosquitto was last restarted with these files, by one of these commands. */
export const isAsRestarted = (connection: Connection): Effect.Effect<boolean> =>
  Effect.map(
    Effect.orElseSucceed(readIfPresent(stampPath(connection)), () => undefined),
    (stamp) => stamp !== undefined && stamp === fingerprint(connection)
  )

/** Call before a restart: until it has succeeded, nothing is known. */
export const forgetRestart = (connection: Connection): Effect.Effect<void> =>
  Effect.ignore(removeIfPresent(stampPath(connection)))

/** If it cannot be stored, mosquitto is restarted. */
export const rememberRestart = (connection: Connection): Effect.Effect<void> =>
  Effect.suspend(() => Effect.ignore(writeWhole(stampPath(connection), fingerprint(connection))))

/** Deleted by a boot, which starts mosquitto with the files as they are. */
const stampPath = ({ settings }: Connection): string => join(settings.run.path, "tedge-mosquitto.files")

const fingerprint = (connection: Connection): string => {
  const hash = createHash("sha256")
  for (const { path, lines } of readMosquittoConf(connection)) {
    // For mosquitto a file of comments is empty.
    if (lines.length > 0) hash.update(`${path}\n${lines.join("\n")}\n`)
    for (const line of lines) {
      const { option, value } = optionIn(line)
      if (namesFile.has(option)) addFacts(hash, value)
    }
  }
  const { clientHost, clientPort } = connection.settings.mqtt
  return `${hash.update(`${clientHost}:${clientPort}`).digest("hex")}\n`
}

/** Without files that mosquitto writes itself (persistence, logs, dynamic security). */
const namesFile = new Set([
  ...["certfile", "keyfile", "cafile", "capath", "crlfile", "dhparamfile", "password_file", "acl_file", "psk_file"],
  ...["bridge_certfile", "bridge_keyfile", "bridge_cafile", "bridge_capath", "plugin", "auth_plugin"]
])

const addFacts = (hash: Hash, path: string): void => {
  for (const name of ["", ...namesIn(path)]) {
    const facts = statSync(join(path, name), { throwIfNoEntry: false })
    hash.update(`${path}/${name} ${facts?.size} ${facts?.mtimeMs} ${facts?.ino}\n`)
  }
}
