/**
 * Replaces a file as a whole: whoever reads it sees the old content or the new, also after a crash at any point.
 *
 * The new content is written beside the file, brought to the disk, and renamed over it. Writers of the same file
 * must hold a lock: the name beside it is always the same, so that what a crash left is taken away by the next.
 */
import * as nodeFiles from "node:fs"
import { basename, dirname, join } from "node:path"
import { Data, Effect } from "effect"

/** The file is as it was. */
export class FileNotReplaced extends Data.TaggedError("FileNotReplaced")<{
  readonly path: string
  readonly step: "create" | "write" | "sync" | "rename"
  /** `EACCES`, `ENOSPC` and the like. */
  readonly code: string
}> {}

export interface Replacement {
  readonly path: string
  readonly content: string
  /** An existing file that others can do less with stays as closed as it is. `present`: as the file has it, 0600 if new. */
  readonly mode: 0o644 | 0o640 | 0o600 | "present"
  /** Undefined: as the file has it now. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined
}

/** `ownerProblem`: the content is in place, but `chown` failed with this code. */
export interface Replaced {
  readonly ownerProblem: string | undefined
}

/** The calls it is made of; tests let each of them fail. */
export type FileCalls = Pick<
  typeof nodeFiles,
  | "closeSync"
  | "fchmodSync"
  | "fchownSync"
  | "fsyncSync"
  | "openSync"
  | "realpathSync"
  | "renameSync"
  | "rmSync"
  | "statSync"
  | "writeSync"
>

export const replaceFile = (
  replacement: Replacement,
  calls: FileCalls = nodeFiles
): Effect.Effect<Replaced, FileNotReplaced> =>
  Effect.suspend(() => {
    const progress: Progress = { step: "create" }
    try {
      return Effect.succeed(replaced(replacement, calls, progress))
    } catch (error) {
      return Effect.fail(new FileNotReplaced({ path: replacement.path, step: progress.step, code: codeOf(error) }))
    }
  })

interface Progress {
  step: FileNotReplaced["step"]
}

const replaced = (wanted: Replacement, calls: FileCalls, progress: Progress): Replaced => {
  const path = realPath(wanted.path, calls)
  const beside = join(dirname(path), `.${basename(path)}.tmp`)
  const present = calls.statSync(path, { throwIfNoEntry: false })
  calls.rmSync(beside, { force: true })
  // 0600 until it has its owner: a secret in it must not be readable meanwhile.
  const file = calls.openSync(beside, "wx", 0o600)
  try {
    const owner = wanted.owner ?? present
    const ownerProblem = owner && attempt(() => calls.fchownSync(file, owner.uid, owner.gid))
    const isClosed = present !== undefined && (present.mode & 0o077) === 0
    const mode = wanted.mode === "present" ? (present?.mode ?? 0o600) & 0o777 : wanted.mode
    calls.fchmodSync(file, isClosed ? 0o600 : mode)
    progress.step = "write"
    writeAll(file, Buffer.from(wanted.content), calls)
    progress.step = "sync"
    calls.fsyncSync(file)
    progress.step = "rename"
    calls.renameSync(beside, path)
    attempt(() => syncDirectory(dirname(path), calls)) // the rename is done; some file systems cannot sync a directory
    return { ownerProblem }
  } catch (error) {
    attempt(() => calls.rmSync(beside, { force: true })) // the next writer takes it away if we cannot
    throw error
  } finally {
    calls.closeSync(file)
  }
}

/** A link stays a link: what it points to is replaced. */
const realPath = (path: string, calls: FileCalls): string => {
  try {
    return calls.realpathSync(path)
  } catch (error) {
    if (codeOf(error) === "ENOENT") return path
    throw error
  }
}

const writeAll = (file: number, bytes: Buffer, calls: FileCalls): void => {
  for (let written = 0; written < bytes.length; ) written += calls.writeSync(file, bytes, written)
}

const syncDirectory = (path: string, calls: FileCalls): void => {
  const directory = calls.openSync(path, "r")
  try {
    calls.fsyncSync(directory)
  } finally {
    calls.closeSync(directory)
  }
}

/** The error code if it fails. */
const attempt = (step: () => void): string | undefined => {
  try {
    step()
    return undefined
  } catch (error) {
    return codeOf(error)
  }
}

const codeOf = (error: unknown): string => (error instanceof Error && "code" in error ? String(error.code) : "UNKNOWN")
