/**
 * The storage of PIN latches: some files per token in `<run.path>/tedge-pin-latch/`, shared by all our processes.
 *
 * If the directory is unusable, the latches last as long as the process.
 */
import { createHash, randomBytes } from "node:crypto"
import { join } from "node:path"
import { Effect, Schedule, type Scope, Semaphore } from "effect"
import type { LockHeld } from "../../../messages/platform.ts"
import { acquireFileLock } from "../../../platform/files/file-lock.ts"
import { removeFile } from "../../../platform/files/given-files.ts"
import { type LatchPlace, openLatchDirectory, readLatchFile, readLatchKey, writeLatchFile } from "./latch-files.ts"

/** `record`: refusals. `proof`: the PIN that succeeded last. `clients`: wrong PINs of clients. */
type LatchPart = "record" | "proof" | "clients"

export interface LatchStore {
  readonly directory: string
  /** Undefined if missing; empty if unreadable. */
  readonly read: (identity: string, part: LatchPart) => Effect.Effect<string | undefined>
  /** Returns why it is kept in this process only; undefined: stored on disk. */
  readonly write: (identity: string, part: LatchPart, text: string) => Effect.Effect<string | undefined>
  /** False: the file stays, and other processes read it. */
  readonly remove: (identity: string, part: LatchPart) => Effect.Effect<boolean>
  /** Held until the scope closes; waits for other processes, for a limited time. */
  readonly lock: (identity: string) => Effect.Effect<void, LockHeld, Scope.Scope>
  /** The key of the marks, 32 bytes. */
  readonly key: Effect.Effect<Uint8Array>
  readonly path: (identity: string, part: LatchPart) => string
}

export const latchStore = (place: LatchPlace): LatchStore => {
  let madeKey: Uint8Array | undefined
  /** Made at its first use: Node's crypto module takes milliseconds to load, and the service listens before it needs one. */
  const ownKey = (): Uint8Array => {
    madeKey ??= randomBytes(32)
    return madeKey
  }
  /** What could not be written or removed; undefined: nothing. */
  const kept = new Map<string, string | undefined>()
  const locks = new Map<string, Semaphore.Semaphore>()
  const path = (identity: string, part: LatchPart) =>
    join(place.directory, `${createHash("sha256").update(identity).digest("hex").slice(0, 32)}${endings[part]}`)
  const ownLock = (identity: string) => {
    const lock = locks.get(identity) ?? Semaphore.makeUnsafe(1)
    locks.set(identity, lock)
    return Semaphore.takeScoped(lock, 1)
  }
  return {
    directory: place.directory,
    path,
    read: (identity, part) =>
      Effect.sync(() => {
        const file = path(identity, part)
        return kept.has(file) ? kept.get(file) : readLatchFile(file)
      }),
    write: (identity, part, text) =>
      Effect.sync(() => {
        const file = path(identity, part)
        const problem = writeLatchFile(place, file, text)
        if (problem === undefined) kept.delete(file)
        else kept.set(file, text)
        return problem
      }),
    remove: (identity, part) =>
      Effect.sync(() => {
        const file = path(identity, part)
        kept.delete(file)
        ignoringErrors(() => removeFile(file))
        const isGone = readLatchFile(file) === undefined
        if (!isGone) kept.set(file, undefined)
        return isGone
      }),
    lock: (identity) =>
      Effect.suspend(() => {
        const file = `${path(identity, "record")}.lock`
        // If it cannot be created, locking reports it.
        ignoringErrors(() => openLatchDirectory(place))
        return Effect.andThen(ownLock(identity), lockFile(file, place.owner))
      }),
    key: Effect.sync(() => readLatchKey(place) ?? ownKey())
  }
}

const endings = { record: ".json", proof: ".proven", clients: ".clients" } as const

/** Without a directory there are no other processes to exclude: the records are this process's own. */
const lockFile = (path: string, owner: LatchPlace["owner"]): Effect.Effect<void, LockHeld, Scope.Scope> =>
  acquireFileLock(path, { mode: 0o600, owner }).pipe(
    Effect.retry({
      while: (failure) => failure._tag === "LockHeld",
      schedule: Schedule.spaced(lockPollMs),
      times: longestWaitMs / lockPollMs
    }),
    Effect.catchTag("LockUnavailable", () => Effect.void)
  )

const lockPollMs = 100
/** Longer than a signature with its own PIN may take in the process that holds the lock. */
const longestWaitMs = 65_000

/** Failures show where the file is read or locked next. */
const ignoringErrors = (step: () => void): void => {
  try {
    step()
  } catch {}
}
