/**
 * What mosquitto reads, as one fingerprint: while it is that of the last restart, another restart would change nothing,
 * and would cost every connection to the local broker.
 *
 * Comments do not count: the marker of a connection is one. Of files that are named in a line, and of those in a
 * directory, size, time and place count.
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

/** To be called before a restart: until it has succeeded, nothing is known. */
export const forgetRestart = (connection: Connection): Effect.Effect<void> =>
  Effect.ignore(removeIfPresent(stampPath(connection)))

/** What cannot be remembered costs a restart. */
export const rememberRestart = (connection: Connection): Effect.Effect<void> =>
  Effect.suspend(() => Effect.ignore(writeWhole(stampPath(connection), fingerprint(connection))))

/** Gone after a boot, which starts mosquitto with whatever is there. */
const stampPath = ({ settings }: Connection): string => join(settings.run.path, "tedge-mosquitto.files")

const fingerprint = (connection: Connection): string => {
  const hash = createHash("sha256")
  for (const { path, lines } of readMosquittoConf(connection)) {
    // A file of comments alone is none to mosquitto.
    if (lines.length > 0) hash.update(`${path}\n${lines.join("\n")}\n`)
    for (const line of lines) {
      const { option, value } = optionIn(line)
      if (namesFile.has(option)) addFacts(hash, value)
    }
  }
  const { clientHost, clientPort } = connection.settings.mqtt
  return `${hash.update(`${clientHost}:${clientPort}`).digest("hex")}\n`
}

/** Of those that mosquitto writes itself (persistence, logs, dynamic security) none. */
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
