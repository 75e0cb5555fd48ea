/**
 * A file as an open directory plus a name in it, resolved step by step from the root directory.
 *
 * Resolving a path is unsafe if others can write to one of its directories: it can change between two calls, and their
 * symlinks could lead root to root's own files. So each step opens the next directory by descriptor with O_NOFOLLOW and
 * inspects symlinks itself. A symlink is followed if root or the caller created it, or if its target belongs to its
 * creator: a certificate on a data partition stays a symlink. No other is followed.
 *
 * `openat` and the like are Node's calls on /proc/self/fd/N/name, which use the open directory, not its path.
 */
import { closeSync, constants, existsSync, fstatSync, openSync, readlinkSync, realpathSync, type Stats } from "node:fs"
import { resolve } from "node:path"
import { AddonNotLoaded } from "../../messages/platform.ts"
import { readOpenLink } from "../native/unix-addon.ts"
import { errorCode } from "../process/error-code.ts"
import type { Owner } from "./file-calls.ts"

export interface Place {
  /** A path for file system calls. Contains no symlink, except possibly the last name. */
  readonly at: (name: string) => string
  readonly name: string
  /** The entry: never a symlink that may be followed. */
  readonly present: Stats | undefined
  /** The directory. */
  readonly directory: Stats
  /** The current path of the directory; empty if unknown. */
  readonly realDirectory: () => string
  /** The entry is a symlink that must not be followed. It can be replaced. */
  readonly strangeLink: ForeignLink | undefined
  readonly close: () => void
}

interface ForeignLink {
  /** Its creator. */
  readonly uid: number
  readonly target: string
}

/** `code` of the kernel (ENOENT, ELOOP and the like), or which symlink is the cause. */
export class PlaceNotFound extends Error {
  override readonly name = "PlaceNotFound"
  readonly code: string
  constructor(code: string, path: string) {
    super(`${code}: ${path}`)
    this.code = code
  }
}

/** A dangling symlink: its target may be on a file system that is not mounted. */
const danglingLink = "dangling link"

/** A directory is another user's symlink that must not be followed. */
export const foreignLink = "link of another user"

/** Throws PlaceNotFound, or the error of open(2). `lastLink: "kept"`: a symlink in the last place is not followed. */
export const openPlace = (path: string, lastLink: "followed" | "kept" = "followed"): Place => {
  const open = new Descriptors()
  try {
    const found = new Walk(path, open, lastLink).to(open.directory("/", "/"), partsOf(path), 0)
    if (found.name === undefined) throw new PlaceNotFound("EISDIR", path)
    const { directory, name, present, strangeLink } = found
    return {
      at: (other) => directory.at(other),
      name,
      present,
      directory: directory.stats,
      realDirectory: directory.realPath,
      strangeLink,
      close: () => open.close()
    }
  } catch (error) {
    open.close()
    throw error
  }
}

/** As `openPlace`, closed when `use` returns. */
export const inPlace = <A>(path: string, use: (place: Place) => A, lastLink: "followed" | "kept" = "followed"): A => {
  const place = openPlace(path, lastLink)
  try {
    return use(place)
  } finally {
    place.close()
  }
}

/** Whether the file is behind a symlink that must not be followed. */
export const isBehindForeignLink = (path: string): boolean => {
  try {
    return inPlace(path, ({ strangeLink }) => strangeLink !== undefined)
  } catch {
    return false // reported where the file is read or written
  }
}

/**
 * The settings decide in which directory a file is, and the services' user may write them. Root's files must not be given
 * away by that: only files in a directory of that user, or in the configuration directory or below, get the owner.
 */
export const mayBeGiven = (place: Place, owner: Owner, trusted: string): boolean => {
  if (place.directory.uid === owner.uid || place.present?.uid === owner.uid) return true
  const real = place.realDirectory()
  const base = realpathSync(trusted)
  return real === base || real.startsWith(`${base}/`)
}

/** `owner`, if the place may be given to that user. `givenWithin` undefined: the caller chose the path itself. */
export const ownerFor = (
  place: Place,
  { owner, givenWithin }: { readonly owner?: Owner | undefined; readonly givenWithin?: string | undefined }
): Owner | undefined =>
  owner === undefined || givenWithin === undefined || mayBeGiven(place, owner, givenWithin) ? owner : undefined

/** Relative paths start at the working directory. `..` is left to the kernel, also behind symlinks. */
const partsOf = (path: string): ReadonlyArray<string> =>
  `${path.startsWith("/") ? "" : `${process.cwd()}/`}${path}`.split("/").filter((part) => part !== "" && part !== ".")

interface Directory {
  readonly at: (name: string) => string
  readonly stats: Stats
  readonly realPath: () => string
}

interface Found {
  readonly directory: Directory
  /** Undefined: the directory itself, as for `/` and `..`. */
  readonly name: string | undefined
  readonly present: Stats | undefined
  readonly strangeLink: ForeignLink | undefined
}

class Walk {
  readonly #path: string
  readonly #open: Descriptors
  readonly #lastLink: "followed" | "kept"
  #links = 0

  constructor(path: string, open: Descriptors, lastLink: "followed" | "kept") {
    this.#path = path
    this.#open = open
    this.#lastLink = lastLink
  }

  /** `depth`: number of symlinks followed so far. */
  to(from: Directory, parts: ReadonlyArray<string>, depth: number): Found {
    let directory = from
    for (const [index, part] of parts.entries()) {
      const isLast = index === parts.length - 1
      if (part === "..") {
        directory = this.#open.directory(directory.at(".."), part)
        continue
      }
      const entry = this.#open.entry(directory.at(part))
      if (isLast && (entry === undefined || !this.#isFollowed(entry, depth)))
        return { directory, name: part, present: entry?.stats, strangeLink: undefined }
      if (entry === undefined) throw new PlaceNotFound(depth > 0 ? danglingLink : "ENOENT", this.#path)
      if (!entry.stats.isSymbolicLink()) {
        directory = this.#open.directory(directory.at(part), this.#path)
        continue
      }
      const behind = this.#behind(directory, part, entry, depth)
      if (isLast) return behind
      if (behind.strangeLink !== undefined || behind.present?.isDirectory() !== true)
        throw new PlaceNotFound(behind.strangeLink === undefined ? "ENOTDIR" : foreignLink, this.#path)
      directory =
        behind.name === undefined
          ? behind.directory
          : this.#open.directory(behind.directory.at(behind.name), this.#path)
    }
    return { directory, name: undefined, present: directory.stats, strangeLink: undefined }
  }

  #isFollowed({ stats }: Entry, depth: number): boolean {
    return stats.isSymbolicLink() && (depth > 0 || this.#lastLink === "followed")
  }

  /** The target of a symlink; the symlink itself, marked as foreign, if it must not be followed. */
  #behind(directory: Directory, name: string, link: Entry, depth: number): Found {
    this.#links += 1
    if (this.#links > maxLinks) throw new PlaceNotFound("ELOOP", this.#path)
    const { target, maker } = linkFacts(directory, name, link)
    const itself = { directory, name, present: undefined, strangeLink: { uid: maker, target } }
    const start = target.startsWith("/") ? this.#open.directory("/", "/") : directory
    const parts = target.split("/").filter((part) => part !== "" && part !== ".")
    const found = this.to(start, parts, depth + 1)
    if (found.strangeLink !== undefined) return itself
    if (found.present === undefined) throw new PlaceNotFound(danglingLink, this.#path)
    return isTrusted(maker) || maker === found.present.uid ? found : itself
  }
}

/** Same limit as Linux. */
const maxLinks = 40

const isTrusted = (uid: number): boolean => uid === 0 || uid === process.geteuid?.()

/**
 * Without the add-on a symlink can only be read by name, and the directory's owner may have replaced it meanwhile:
 * then everything there is that user's.
 */
const linkFacts = (directory: Directory, name: string, { descriptor, stats }: Entry) => {
  try {
    return { target: readOpenLink(descriptor), maker: stats.uid }
  } catch (error) {
    if (!(error instanceof AddonNotLoaded)) throw error
    const { uid, mode } = directory.stats
    const isOurs = isTrusted(uid) && (mode & 0o022) === 0
    return { target: readlinkSync(directory.at(name)), maker: isOurs ? stats.uid : isTrusted(uid) ? -1 : uid }
  }
}

interface Entry {
  readonly descriptor: number
  readonly stats: Stats
}

/** Descriptors opened during resolution. */
class Descriptors {
  readonly #open: Array<number> = []

  directory(at: string, path: string): Directory {
    const descriptor = this.#keep(openSync(at, O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW))
    // Without /proc there are paths only.
    const base = existsSync("/proc/self/fd") ? `/proc/self/fd/${descriptor}` : resolve(at)
    const stats = fstatSync(descriptor)
    if (!stats.isDirectory()) throw new PlaceNotFound("ENOTDIR", path)
    // Not path.join: it would resolve `fd/7/..` to `fd`.
    return {
      at: (name) => `${base}/${name}`,
      stats,
      realPath: () => {
        try {
          return base.startsWith("/proc/self/fd/") ? readlinkSync(base) : realpathSync(base)
        } catch {
          return ""
        }
      }
    }
  }

  /** Undefined: no such entry. */
  entry(at: string): Entry | undefined {
    try {
      const descriptor = this.#keep(openSync(at, O_PATH | constants.O_NOFOLLOW))
      return { descriptor, stats: fstatSync(descriptor) }
    } catch (error) {
      if (errorCode(error) === "ENOENT") return undefined
      throw error
    }
  }

  close(): void {
    for (const descriptor of this.#open.splice(0)) closeSync(descriptor)
  }

  #keep(descriptor: number): number {
    this.#open.push(descriptor)
    return descriptor
  }
}

/** <bits/fcntl-linux.h>; Node has no constant for it. */
export const O_PATH = 0o10000000
