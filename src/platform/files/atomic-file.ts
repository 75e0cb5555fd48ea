/**
 * Replaces a file atomically: after a crash at any point, readers see either the old or the new content.
 *
 * The new content is written to a temporary file, fsynced and renamed. Writers of the same file must hold a lock: the
 * temporary name is fixed, so that the next writer removes what a crash left.
 *
 * Works in the directory that file-place.ts opens; owner and mode are set by descriptor. A symlink that must not be
 * followed is replaced, its target untouched.
 */
import * as nodeFiles from "node:fs"
import { closeSync, constants, openSync, readFileSync } from "node:fs"
import { Data, Effect } from "effect"
import { explainFileNote } from "../../messages/explain/platform.ts"
import type { FileNote } from "../../messages/platform.ts"
import { codeOf } from "../process/error-code.ts"
import { attempt, type FileCalls, give, type Owner, writeAll } from "./file-calls.ts"
import { foreignLink, openPlace, ownerFor, type Place, PlaceNotFound } from "./file-place.ts"

/** The file is unchanged. */
export class FileNotReplaced extends Data.TaggedError("FileNotReplaced")<{
  readonly path: string
  readonly step: "create" | "write" | "sync" | "rename"
  /** `EACCES`, `ENOSPC` and the like. */
  readonly code: string
}> {}

export interface Replacement {
  readonly path: string
  readonly content: string
  /** An existing file keeps a stricter mode. `present`: the file's current mode, 0600 for a new file. */
  readonly mode: number | "present"
  /** Undefined: the file's current owner. */
  readonly owner?: Owner | undefined
  /** The configuration directory, for a path from the settings: the file gets its owner only where that is allowed. */
  readonly givenWithin?: string | undefined
  /** A file that is a mount point itself (a container's tedge.toml) cannot be renamed over: it is written in place. */
  readonly inPlace?: boolean
  /**
   * The content was made from the file's present one. Behind another user's symlink that is another file's, which a new
   * file would show to that user: it is refused.
   */
  readonly isEdit?: boolean
}

/** `ownerProblem`: the content is written, but `chown` failed with this code. */
interface Replaced {
  readonly ownerProblem: string | undefined
}

/** Logs a replaced symlink, a file written in place, a mode that the file system does not keep. */
export const replaceFile = (
  replacement: Replacement,
  calls: FileCalls = nodeFiles
): Effect.Effect<Replaced, FileNotReplaced> =>
  Effect.gen(function* () {
    const { ownerProblem, notes } = yield* Effect.try({
      try: () => replaceFileNow(replacement, calls),
      catch: (error) => error as FileNotReplaced
    })
    yield* logFileNotes(replacement.path, notes)
    return { ownerProblem }
  })

export const logFileNotes = (path: string, notes: ReadonlyArray<FileNote>): Effect.Effect<void> =>
  Effect.forEach(notes, (note) => Effect.logWarning(explainFileNote(path, note)), { discard: true })

/** As `replaceFile`. Throws FileNotReplaced. */
export const replaceFileNow = (
  replacement: Replacement,
  calls: FileCalls = nodeFiles
): Replaced & { readonly notes: ReadonlyArray<FileNote> } => {
  const progress: Progress = { step: "create" }
  let place: Place | undefined
  try {
    place = openPlace(replacement.path)
    return replaced(replacement, place, calls, progress)
  } catch (error) {
    throw new FileNotReplaced({ path: replacement.path, step: progress.step, code: codeOf(error) })
  } finally {
    place?.close()
  }
}

interface Progress {
  step: FileNotReplaced["step"]
}

const replaced = (wanted: Replacement, place: Place, calls: FileCalls, progress: Progress) => {
  const { present, strangeLink } = place
  if (wanted.isEdit && strangeLink !== undefined) throw new PlaceNotFound(foreignLink, wanted.path)
  const content = Buffer.from(wanted.content)
  const isClosed = present !== undefined && (present.mode & 0o077) === 0
  const mode = isClosed ? 0o600 : wanted.mode === "present" ? (present?.mode ?? 0o600) & 0o777 : wanted.mode
  const facts = { content, mode, owner: ownerFor(place, wanted) ?? present }
  const inPlace = () => {
    progress.step = "write"
    return { ...writeInPlace(place, facts, calls), link: undefined }
  }
  if (wanted.inPlace && isMountPoint(place)) return noted(wanted.path, inPlace())
  try {
    return noted(wanted.path, { ...renamedOver(place, facts, calls, progress), link: strangeLink })
  } catch (error) {
    if (wanted.inPlace && progress.step === "rename" && codeOf(error) === "EBUSY") return noted(wanted.path, inPlace())
    throw error
  }
}

interface Facts {
  readonly content: Buffer
  readonly mode: number
  readonly owner: Owner | undefined
}

const renamedOver = (place: Place, { content, mode, owner }: Facts, calls: FileCalls, progress: Progress) => {
  const beside = place.at(`.${place.name}.tmp`)
  calls.rmSync(beside, { force: true })
  // 0600 until it has its owner: a secret in it must not be readable before. "wx" follows no symlink (O_EXCL).
  const file = calls.openSync(beside, "wx", 0o600)
  try {
    const given = give(file, owner, mode, calls)
    progress.step = "write"
    writeAll(file, content, calls)
    progress.step = "sync"
    calls.fsyncSync(file)
    progress.step = "rename"
    calls.renameSync(beside, place.at(place.name))
    attempt(() => syncDirectory(place.at("."), calls)) // the rename is done; some file systems cannot sync a directory
    return { ...given, isInPlace: false }
  } catch (error) {
    attempt(() => calls.rmSync(beside, { force: true })) // otherwise the next writer removes it
    throw error
  } finally {
    calls.closeSync(file)
  }
}

interface Done {
  readonly ownerProblem: string | undefined
  /** The actual mode, if it grants others more than intended. */
  readonly exposedMode: number | undefined
  readonly isInPlace: boolean
  readonly link: Place["strangeLink"]
}

const noted = (path: string, { ownerProblem, exposedMode, isInPlace, link }: Done) => {
  const notes: Array<FileNote> = []
  if (link !== undefined) notes.push({ kind: "linkReplaced", ...link })
  if (exposedMode !== undefined) notes.push({ kind: "modeNotKept", mode: exposedMode })
  if (isInPlace && !loggedInPlace.has(path)) notes.push({ kind: "writtenInPlace" })
  if (isInPlace) loggedInPlace.add(path)
  return { ownerProblem, notes }
}

/** Paths already logged as written in place. */
const loggedInPlace = new Set<string>()

const syncDirectory = (path: string, calls: FileCalls): void => {
  const directory = calls.openSync(path, "r")
  try {
    calls.fsyncSync(directory)
  } finally {
    calls.closeSync(directory)
  }
}

/**
 * For a file that is a mount point itself, as a container's tedge.toml is.
 *
 * The old content is kept in memory and restored if a step fails. Not safe against a crash of the machine during the
 * write, a single one of some kilobytes. Throws the error of the failed call.
 */
const writeInPlace = ({ at, name, present }: Place, { content, mode, owner }: Facts, calls: FileCalls) => {
  const file = calls.openSync(at(name), constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  try {
    const status = calls.fstatSync(file)
    if (!status.isFile() || status.ino !== present?.ino) throw new PlaceNotFound("ESTALE", name)
    const before = readAll(file, status.size, calls)
    try {
      overwrite(file, content, calls)
    } catch (error) {
      attempt(() => overwrite(file, before, calls)) // as long as it was, so it needs no room that it did not have
      throw error
    }
    return { ...give(file, owner, mode, calls), isInPlace: true }
  } finally {
    calls.closeSync(file)
  }
}

/** The file is on another mount than its directory. False also if that is unknown: rename will fail then. */
const isMountPoint = ({ at, name, present }: Place): boolean => {
  if (present?.isFile() !== true) return false
  const ids = [name, "."].map((one) => mountId(at(one)))
  return ids[0] !== undefined && ids[1] !== undefined && ids[0] !== ids[1]
}

/** proc_pid_fdinfo(5). */
const mountId = (path: string): string | undefined => {
  let file: number | undefined
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    return /^mnt_id:\s*(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${file}`, "latin1"))?.[1]
  } catch {
    return undefined // not readable, or no /proc
  } finally {
    if (file !== undefined) closeSync(file)
  }
}

const overwrite = (file: number, content: Buffer, calls: FileCalls): void => {
  writeAll(file, content, calls, 0)
  calls.ftruncateSync(file, content.length)
  calls.fsyncSync(file)
}

const readAll = (file: number, size: number, calls: FileCalls): Buffer => {
  const bytes = Buffer.alloc(size)
  let length = 0
  for (let read = -1; read !== 0 && length < size; length += read)
    read = calls.readSync(file, bytes, length, size - length, length)
  return bytes.subarray(0, length)
}
