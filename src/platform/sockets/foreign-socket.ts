/**
 * A socket that another user may have put in the place of the service's: in a directory where every user can make
 * files, the first to come listens.
 */
import { lstatSync, statSync } from "node:fs"
import { dirname } from "node:path"

/** The user id of its owner, when it is none of `trusted`; undefined: it is trusted, or there is none. */
export const foreignOwner = (socketPath: string, trusted: ReadonlySet<number>): number | undefined => {
  try {
    if ((statSync(dirname(socketPath)).mode & othersWrite) === 0) return undefined
    // Of a link itself: where it leads is its owner's choice.
    const { uid } = lstatSync(socketPath)
    return trusted.has(uid) ? undefined : uid
  } catch {
    // No socket, or no way to it: connecting says why.
    return undefined
  }
}

const othersWrite = 0o002
