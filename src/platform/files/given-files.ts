/**
 * Creates, opens, hands over and removes files and directories that belong to other users.
 *
 * Root does this in directories of the services' user, who can put a symlink, another file or another directory there at
 * any time. So each step is by descriptor, in the directory that file-place.ts opens, and the object handed over is the
 * one that was opened and checked, whatever has its name by then. Only this module and those it shares with
 * atomic-file.ts change owner and mode or open for writing (test/architecture.test.ts). The functions throw the errors of
 * the kernel.
 */
import * as nodeFiles from "node:fs"
import {
  chownSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  type Stats
} from "node:fs"
import { dirname } from "node:path"
import type { FileNote } from "../../messages/platform.ts"
import { codeOf } from "../process/error-code.ts"
import { attempt, give, type Owner, writeAll } from "./file-calls.ts"
import { foreignLink, inPlace, mayBeGiven, O_PATH, ownerFor, type Place, PlaceNotFound } from "./file-place.ts"

interface Directories {
  /** Of the new directory, not of parents created for it; undefined: the caller. */
  readonly owner?: Owner | undefined
  /** As in `Replacement`; parents are handed over then too. */
  readonly givenWithin?: string | undefined
  readonly mode?: number
}

/** Creates a directory and its missing parents. An existing directory is not changed. */
export const makeDirectories = (path: string, { owner, givenWithin, mode = 0o755 }: Directories = {}): void => {
  if (isDirectory(path)) return
  if (dirname(path) !== path) makeDirectories(dirname(path), givenWithin === undefined ? {} : { owner, givenWithin })
  inPlace(path, (place) => {
    const at = place.at(place.name)
    try {
      mkdirSync(at, mode)
    } catch (error) {
      if (codeOf(error) !== "EEXIST") throw error
      if (isDirectory(path)) return // another process was faster
      // The error of mkdir(2) contains the descriptor, which means nothing to users.
      throw new PlaceNotFound(place.strangeLink !== undefined ? foreignLink : "EEXIST", path)
    }
    withOpen(openSync(at, directoryFlags), (made) => {
      // Only our own, empty directory is handed over.
      if (fstatSync(made).uid !== process.geteuid?.() || readdirSync(at).length > 0) return
      const given = ownerFor(place, { owner, givenWithin })
      if (given !== undefined) attempt(() => fchownSync(made, given.uid, given.gid))
      attempt(() => fchmodSync(made, mode)) // restores what the umask and chown(2) removed
    })
  })
}

/** Throws for a dangling symlink: its target is to be mounted, not created. */
const isDirectory = (path: string): boolean => {
  try {
    return inPlace(path, ({ present }) => present?.isDirectory() === true)
  } catch (error) {
    if (codeOf(error) === "EISDIR") return true // the root directory
    if (codeOf(error) === "ENOENT") return false
    throw error
  }
}

/** A directory of root becomes the user's; others keep their owner. */
export const giveDirectory = (path: string, owner: Owner): void =>
  inPlace(path, (place) =>
    withOpen(openSync(place.at(place.name), directoryFlags), (directory) => {
      if (fstatSync(directory).uid === 0) attempt(() => fchownSync(directory, owner.uid, owner.gid))
    })
  )

/** Removes write permission for group and others, if the caller may. */
export const closeDirectory = (path: string): void =>
  inPlace(path, (place) =>
    withOpen(openSync(place.at(place.name), directoryFlags), (directory) => {
      const { mode } = fstatSync(directory)
      if ((mode & 0o022) !== 0) attempt(() => fchmodSync(directory, mode & 0o755))
    })
  )

interface NewFile {
  readonly content: string
  readonly mode: number
  readonly owner?: Owner | undefined
  /** As in `Replacement`. */
  readonly givenWithin?: string | undefined
}

/** EEXIST if anything exists, even a symlink. A file that cannot be written completely is removed. */
export const createFile = (path: string, { content, mode, owner, givenWithin }: NewFile): ReadonlyArray<FileNote> =>
  inPlace(
    path,
    (place) => {
      const at = place.at(place.name)
      return withOpen(openSync(at, "wx", 0o600), (file) => {
        try {
          writeAll(file, Buffer.from(content), nodeFiles)
          const { exposedMode } = give(file, ownerFor(place, { owner, givenWithin }), mode, nodeFiles)
          fsyncSync(file)
          return exposedMode === undefined ? [] : [{ kind: "modeNotKept", mode: exposedMode }]
        } catch (error) {
          attempt(() => rmSync(at, { force: true }))
          throw error
        }
      })
    },
    "kept"
  )

interface OwnershipChange {
  readonly owner: Owner & { readonly name: string }
  /** The configuration directory: named by the caller, not by a setting. */
  readonly trusted: string
  /** A text that the file must contain: a path in the settings could name any file of root. */
  readonly holds: (text: string) => boolean
}

/** Hands an existing file over to its user, if it is allowed to be; a missing file is ignored. */
export const giveFile = (path: string, { owner, trusted, holds }: OwnershipChange): ReadonlyArray<FileNote> =>
  inPlace(path, (place) => {
    if (place.present === undefined || place.present.uid === owner.uid) return []
    const notGiven = (reason: Extract<FileNote, { kind: "notGiven" }>["reason"]) =>
      [{ kind: "notGiven", owner: owner.name, reason }] as const
    return withOpen(openSync(place.at(place.name), readFlags), (file) => {
      const status = fstatSync(file)
      if (!status.isFile()) return notGiven("noFile")
      if (status.nlink > 1) return notGiven("otherNames")
      if (!holds(readFileSync(file, "latin1"))) return notGiven("content")
      if (mayBeGiven(place, owner, trusted)) fchownSync(file, owner.uid, owner.gid)
      else if ((status.mode & 0o004) === 0) return notGiven("directory")
      return []
    })
  })

interface Appending {
  readonly mode: number
  readonly owner?: Owner | undefined
}

/** A descriptor. A symlink of another user, and a file with several names, are replaced: they lead to another's file. */
export const openLog = (path: string, { mode, owner }: Appending): number =>
  inPlace(path, (place) => {
    const at = place.at(place.name)
    if (place.strangeLink !== undefined || (place.present?.isFile() && place.present.nlink > 1))
      rmSync(at, { force: true })
    return kept(openSync(at, constants.O_WRONLY | constants.O_APPEND | createFlags, mode), path, owner)
  })

/**
 * A descriptor of a lock file. Sets `mode` and owner also of an existing one, as any process that can open a lock file can
 * hold the lock. In a world-writable directory (/run/lock) it throws EFOREIGN for a file that belongs to
 * neither root, the caller nor `owner`: its creator could hold the lock indefinitely.
 */
export const openLock = (path: string, { mode, owner }: Appending): number =>
  inPlace(path, (place) => openedLock(place, path, { mode, owner }), "kept")

const openedLock = (place: Place, path: string, { mode, owner }: Appending): number => {
  const at = place.at(place.name)
  const mayBe = ({ uid }: Stats) =>
    (place.directory.mode & 0o002) === 0 || uid === 0 || uid === process.geteuid?.() || uid === owner?.uid
  if (place.present !== undefined && !mayBe(place.present)) throw new ForeignLockFile(path, place.present)
  const flags = constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK
  try {
    // With O_CREAT the kernel would refuse root the services' file in /run/lock (fs.protected_regular).
    const isThere = place.present !== undefined
    const file = kept(openSync(at, isThere ? flags : flags | constants.O_CREAT | constants.O_EXCL, mode), path, owner)
    attempt(() => fchmodSync(file, mode)) // root's file the services' user cannot change
    return file
  } catch (error) {
    // Created or removed since it was looked up.
    if (codeOf(error) === (place.present === undefined ? "EEXIST" : "ENOENT")) return openLock(path, { mode, owner })
    throw error
  }
}

/** A file of that name exists, created by another user. */
export class ForeignLockFile extends Error {
  override readonly name = "ForeignLockFile"
  readonly code = "EFOREIGN"
  readonly uid: number
  constructor(path: string, { uid }: Stats) {
    super(path)
    this.uid = uid
  }
}

/** Rotates a log that has grown too large. */
export const olderLog = (path: string): string => `${path}.1`

/** A larger file is copied to `path.1` and truncated; open appenders continue in it. */
export const rotateLog = (path: string, largest: number): void =>
  inPlace(path, (place) => {
    if (place.present?.isFile() !== true || place.present.size < largest) return
    withOpen(openSync(place.at(place.name), constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK), (file) => {
      attempt(() =>
        withOpen(openLog(olderLog(path), { mode: 0o640 }), (older) => {
          ftruncateSync(older)
          writeAll(older, readFileSync(file), nodeFiles)
        })
      )
      ftruncateSync(file)
    })
  })

/** Removes the entry itself, never the target of a symlink. A missing entry is fine. */
export const removeFile = (path: string): void => {
  try {
    inPlace(path, (place) => rmSync(place.at(place.name), { force: true }), "kept")
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error
  }
}

/** A directory that is not empty or cannot be removed stays. */
export const removeEmptyDirectory = (path: string): void => {
  attempt(() => inPlace(path, (place) => rmdirSync(place.at(place.name)), "kept"))
}

/** Sets the group of a socket through the opened socket, not its name. */
export const giveSocket = (path: string, group: number): void =>
  inPlace(
    path,
    (place) =>
      withOpen(openSync(place.at(place.name), O_PATH | constants.O_NOFOLLOW), (socket) => {
        if (!fstatSync(socket).isSocket()) throw new PlaceNotFound("ENOTSOCK", path)
        chownSync(`/proc/self/fd/${socket}`, -1, group)
      }),
    "kept"
  )

/** A regular file with a single name, opened before. */
const kept = (file: number, path: string, owner: Owner | undefined): number => {
  const status = fstatSync(file)
  if (!status.isFile() || status.nlink > 1) {
    closeSync(file)
    throw new PlaceNotFound("EINVAL", path)
  }
  if (owner !== undefined && status.uid !== owner.uid) attempt(() => fchownSync(file, owner.uid, owner.gid))
  return file
}

const withOpen = <A>(file: number, use: (file: number) => A): A => {
  try {
    return use(file)
  } finally {
    closeSync(file)
  }
}

const readFlags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

const createFlags = constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK

const directoryFlags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW

/** An output that the caller opened for this process. */
export const isOwnOutput = (path: string): boolean =>
  /^\/(dev\/(stdout|stderr|fd\/\d+)|proc\/self\/fd\/\d+)$/.test(path)

/**
 * Writes to something that is not a regular file: a terminal, a pipe. Never waits for a reader, never writes to a disk.
 * EINVAL for a named pipe that neither root nor the caller created: another user reads it.
 */
export const writeToStream = (path: string, content: string): void => {
  const write = (at: string, flags: number, mayBe: (status: Stats) => boolean) =>
    withOpen(openSync(at, flags | streamFlags), (file) => {
      if (!mayBe(fstatSync(file))) throw new PlaceNotFound("EINVAL", path)
      writeAll(file, Buffer.from(content), nodeFiles)
    })
  const isNoDisk = (status: Stats) => !status.isBlockDevice()
  const mayBe = (status: Stats) =>
    status.isCharacterDevice() || (status.isFIFO() && [0, process.geteuid?.()].includes(status.uid))
  if (isOwnOutput(path)) write(path, 0, isNoDisk)
  else
    inPlace(path, ({ at, name, present }) => {
      if (present === undefined || !mayBe(present)) throw new PlaceNotFound("EINVAL", path)
      write(at(name), constants.O_NOFOLLOW, mayBe)
    })
}

const streamFlags = constants.O_WRONLY | constants.O_APPEND | constants.O_NONBLOCK
