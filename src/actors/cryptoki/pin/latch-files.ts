/**
 * The files of PIN latches, in a directory that only root and the service's user can write.
 *
 * Records are 0640; their key, and locks, are 0600. All belong to the service's user, even if root creates them, so
 * that root's commands and the services read the same.
 */
import { randomBytes } from "node:crypto"
import { accessSync, constants, statSync } from "node:fs"
import { dirname, join } from "node:path"
import { FileNotReplaced, replaceFileNow } from "../../../platform/files/atomic-file.ts"
import type { Owner } from "../../../platform/files/file-calls.ts"
import { closeDirectory, giveDirectory, makeDirectories } from "../../../platform/files/given-files.ts"
import { readRegularFile } from "../../../platform/files/read-file.ts"
import { codeOf } from "../../../platform/process/error-code.ts"

export interface LatchPlace {
  readonly directory: string
  /** The service's user, who owns files created by root; undefined: not changed. */
  readonly owner: Owner | undefined
}

/** Throws the system's error. */
export const openLatchDirectory = ({ directory, owner }: LatchPlace): void => {
  makeDirectories(directory, { owner, mode: 0o750 })
  if (owner && isMadeByRootFor(owner, directory)) return
  if (process.getuid?.() === 0 && owner) giveDirectory(directory, owner)
  // A client of the signing service may be in the service's group; it must not remove records.
  closeDirectory(directory)
}

/** By tmpfiles.d: 2770 root:tedge, with an access list so that of that group only the services' user can write. */
const isMadeByRootFor = (owner: Owner, directory: string): boolean => {
  const { uid, gid, mode } = statSync(directory)
  return uid === 0 && gid === owner.gid && (mode & 0o2070) === 0o2070
}

/** Replaces the file atomically. Returns why it failed; then the file is unchanged. */
export const writeLatchFile = (
  place: LatchPlace,
  path: string,
  content: string,
  mode: 0o640 | 0o600 = 0o640
): string | undefined => {
  try {
    openLatchDirectory(place)
    replaceFileNow({ path, content, mode, owner: place.owner })
    return undefined
  } catch (error) {
    return error instanceof FileNotReplaced ? error.code : codeOf(error)
  }
}

/** Undefined: missing. Empty: unreadable. Symlinks are not followed: their creator is not root. */
export const readLatchFile = (path: string): string | undefined => {
  try {
    return readRegularFile(path, constants.O_NOFOLLOW).toString("utf8")
  } catch (error) {
    // The directory is unreadable or missing: the records are kept in this process.
    return ["ENOENT", "ENOTDIR"].includes(codeOf(error)) || !isSeen(dirname(path)) ? undefined : ""
  }
}

/** 32 random bytes that only the service's user can read; undefined if they cannot be read or created. */
export const readLatchKey = (place: LatchPlace): Buffer | undefined => {
  const path = join(place.directory, "key")
  const found = readLatchFile(path)
  if (found !== undefined && isKey(found)) return Buffer.from(found, "hex")
  // An unreadable key is another user's, and stays. One truncated by a full disk is replaced.
  if (found === "") return undefined
  writeLatchFile(place, path, randomBytes(keyBytes).toString("hex"), 0o600)
  // Another process may have created one at the same time: the last counts.
  const made = readLatchFile(path)
  return made !== undefined && isKey(made) ? Buffer.from(made, "hex") : undefined
}

const isKey = (text: string): boolean => new RegExp(`^[0-9a-f]{${keyBytes * 2}}$`).test(text)

const keyBytes = 32

const isSeen = (directory: string): boolean => {
  try {
    accessSync(directory, constants.X_OK)
    return true
  } catch {
    return false
  }
}
