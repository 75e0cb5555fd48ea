/**
 * Detects a socket that another user created in place of the service's: in a world-writable directory the first process
 * to bind the path listens.
 */
import { lstatSync, statSync } from "node:fs"
import { dirname } from "node:path"

/** User id of its owner, if not in `trusted`; undefined: trusted, or no socket. */
export const foreignOwner = (socketPath: string, trusted: ReadonlySet<number>): number | undefined => {
  try {
    if ((statSync(dirname(socketPath)).mode & othersWrite) === 0) return undefined
    // Of a symlink itself: its owner chooses the target.
    const { uid } = lstatSync(socketPath)
    return trusted.has(uid) ? undefined : uid
  } catch {
    // No socket, or not accessible: connecting reports why.
    return undefined
  }
}

const othersWrite = 0o002
