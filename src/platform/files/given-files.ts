/**
 * Makes, opens, gives away and removes files and directories for other users.
 *
 * Root does this in directories of the services' user, who may put a link, another file or another directory there at
 * any moment. So each step is by descriptor, in the directory that file-place.ts opens, and what is given away is what
 * was opened and looked at, not what has its name by then. Only this module and those it shares with atomic-file.ts
 * change owner and mode or open for writing; test/architecture.test.ts says so. The functions throw what the kernel
 * refuses with.
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

export interface Directories {
  /** Of the directory that is made, not of parents that are made for it; undefined: the caller. */
  readonly owner?: Owner | undefined
  /** As in `Replacement`, and then parents are given too. */
  readonly givenWithin?: string | undefined
  readonly mode?: number
}

/** Makes a directory and the parents it lacks. What is there stays as it is. */
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
      // The error of mkdir(2) names the descriptor, which is of no use to people.
      throw new PlaceNotFound(place.strangeLink !== undefined ? foreignLink : "EEXIST", path)
    }
    withOpen(openSync(at, directoryFlags), (made) => {
      // Nothing but our own, empty directory is given away.
      if (fstatSync(made).uid !== process.geteuid?.() || readdirSync(at).length > 0) return
      const given = ownerFor(place, { owner, givenWithin })
      if (given !== undefined) attempt(() => fchownSync(made, given.uid, given.gid))
      attempt(() => fchmodSync(made, mode)) // without what the umask and chown(2) took away
    })
  })
}

/** Throws for a link that leads nowhere: its target is to be mounted, not made. */
const isDirectory = (path: string): boolean => {
  try {
    return inPlace(path, ({ present }) => present?.isDirectory() === true)
  } catch (error) {
    if (codeOf(error) === "EISDIR") return true // the root directory
    if (codeOf(error) === "ENOENT") return false
    throw error
  }
}

/** A directory of root's becomes the user's; any other stays whose it is. */
export const giveDirectory = (path: string, owner: Owner): void =>
  inPlace(path, (place) =>
    withOpen(openSync(place.at(place.name), directoryFlags), (directory) => {
      if (fstatSync(directory).uid === 0) attempt(() => fchownSync(directory, owner.uid, owner.gid))
    })
  )

/** Takes the right to write from group and others, where the caller may. */
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

/** EEXIST when anything is there, a link too. Nothing is left of a file that cannot be filled. */
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
  /** What is in a file that is meant: a path in the settings could name any file of root's. */
  readonly holds: (text: string) => boolean
}

/** Gives a file that is there to its user, if it is one that may be given; a file that is not there is none. */
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

/** A descriptor. A link of another user, and a file with other names, are replaced: they lead to another's file. */
export const openLog = (path: string, { mode, owner }: Appending): number =>
  inPlace(path, (place) => {
    const at = place.at(place.name)
    if (place.strangeLink !== undefined || (place.present?.isFile() && place.present.nlink > 1))
      rmSync(at, { force: true })
    return kept(openSync(at, constants.O_WRONLY | constants.O_APPEND | createFlags, mode), path, owner)
  })

/**
 * A descriptor of a lock file, `mode` and owner as they are to be: also of one that was there, as anybody who may open
 * a lock file can hold the lock. In a directory of everybody's (/run/lock) it throws ESTRANGE for one that belongs to
 * neither root, the caller nor `owner`: its maker could hold it indefinitely.
 */
export const openLock = (path: string, { mode, owner }: Appending): number =>
  inPlace(path, (place) => openedLock(place, path, { mode, owner }), "kept")

const openedLock = (place: Place, path: string, { mode, owner }: Appending): number => {
  const at = place.at(place.name)
  const mayBe = ({ uid }: Stats) =>
    (place.directory.mode & 0o002) === 0 || uid === 0 || uid === process.geteuid?.() || uid === owner?.uid
  if (place.present !== undefined && !mayBe(place.present)) throw new StrangeOwner(path, place.present)
  const flags = constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK
  try {
    // With O_CREAT the kernel would refuse root the services' file in /run/lock (fs.protected_regular).
    const isThere = place.present !== undefined
    const file = kept(openSync(at, isThere ? flags : flags | constants.O_CREAT | constants.O_EXCL, mode), path, owner)
    attempt(() => fchmodSync(file, mode)) // root's file the services' user cannot change
    return file
  } catch (error) {
    // Made, or removed, since we looked.
    if (codeOf(error) === (place.present === undefined ? "EEXIST" : "ENOENT")) return openLock(path, { mode, owner })
    throw error
  }
}

/** A file of that name was there before, made by another user. */
export class StrangeOwner extends Error {
  override readonly name = "StrangeOwner"
  readonly code = "ESTRANGE"
  readonly uid: number
  constructor(path: string, { uid }: Stats) {
    super(path)
    this.uid = uid
  }
}

/** Where a log goes that has grown too large. */
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

/** The entry itself, never what a link in its place leads to. A missing one is as good. */
export const removeFile = (path: string): void => {
  try {
    inPlace(path, (place) => rmSync(place.at(place.name), { force: true }), "kept")
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error
  }
}

/** One that is not empty stays, and so does one that cannot be removed. */
export const removeEmptyDirectory = (path: string): void => {
  attempt(() => inPlace(path, (place) => rmdirSync(place.at(place.name)), "kept"))
}

/** The group of a socket, by the socket that was opened: nothing else gets it in its place. */
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

/** A regular file with one name, that was opened. */
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

/** What this process was given to write to. */
export const isOwnOutput = (path: string): boolean =>
  /^\/(dev\/(stdout|stderr|fd\/\d+)|proc\/self\/fd\/\d+)$/.test(path)

/**
 * To what is no regular file: a terminal, a pipe. Never waits for a reader, and never writes to a disk. EINVAL for a
 * named pipe that neither root nor the caller made: another user reads there.
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
