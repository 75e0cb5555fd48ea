/**
 * Where PIN latches lie: one file per token in `<run.path>/tedge-pin-latch/`, which all our processes share.
 *
 * Files are 0640 and replaced as a whole; the directory belongs to the service's group, so that root's commands and
 * the services see the same. Where the directory cannot be used, the latches last as long as the process.
 */
import { createHash } from "node:crypto"
import { accessSync, constants, existsSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { Effect, Schedule, type Scope, Semaphore } from "effect"
import type { LockHeld } from "../../messages/platform.ts"
import { replaceFile } from "../../platform/atomic-file.ts"
import { acquireFileLock } from "../../platform/file-lock.ts"
import { makeDirectories, removeFile } from "../../platform/given-files.ts"

export interface LatchStore {
  /** The token's record as text; undefined when there is none. */
  readonly read: (identity: string) => Effect.Effect<string | undefined>
  readonly write: (identity: string, text: string) => Effect.Effect<void>
  readonly remove: (identity: string) => Effect.Effect<void>
  /** Held until the scope closes; waits for other processes, but not for ever. */
  readonly lock: (identity: string) => Effect.Effect<void, LockHeld, Scope.Scope>
}

export interface LatchPlace {
  readonly directory: string
  /** Undefined: the group of the process. */
  readonly group: number | undefined
}

export const latchStore = (place: LatchPlace): LatchStore => {
  const kept = memoryStore()
  const file = (identity: string) =>
    join(place.directory, `${createHash("sha256").update(identity).digest("hex").slice(0, 32)}.json`)
  return {
    read: (identity) =>
      Effect.flatMap(kept.read(identity), (text) =>
        text === undefined ? Effect.sync(() => readIfThere(file(identity))) : Effect.succeed(text)
      ),
    write: (identity, text) =>
      Effect.gen(function* () {
        makeDirectory(place)
        const owner = place.group === undefined ? undefined : { uid: process.getuid?.() ?? 0, gid: place.group }
        yield* replaceFile({ path: file(identity), content: text, mode: 0o640, owner })
        yield* kept.remove(identity)
      }).pipe(Effect.catchTag("FileNotReplaced", () => kept.write(identity, text))),
    remove: (identity) =>
      Effect.andThen(
        kept.remove(identity),
        Effect.sync(() => removeIfPossible(file(identity)))
      ),
    lock: (identity) =>
      Effect.suspend(() => {
        makeDirectory(place)
        return Effect.andThen(kept.lock(identity), lockFile(`${file(identity)}.lock`))
      })
  }
}

/** For one process only. */
export const memoryStore = (): LatchStore => {
  const records = new Map<string, string>()
  const locks = new Map<string, Semaphore.Semaphore>()
  return {
    read: (identity) => Effect.sync(() => records.get(identity)),
    write: (identity, text) => Effect.sync(() => void records.set(identity, text)),
    remove: (identity) => Effect.sync(() => void records.delete(identity)),
    lock: (identity) => {
      const lock = locks.get(identity) ?? Semaphore.makeUnsafe(1)
      locks.set(identity, lock)
      return Semaphore.takeScoped(lock, 1)
    }
  }
}

/** Without a directory there is nobody to lock out: the records are this process's own. */
const lockFile = (path: string): Effect.Effect<void, LockHeld, Scope.Scope> =>
  // The service and root take turns with it; the directory gives it their group.
  acquireFileLock(path, { mode: 0o660 }).pipe(
    Effect.retry({
      while: (failure) => failure._tag === "LockHeld",
      schedule: Schedule.spaced(lockPollMs),
      times: longestWaitMs / lockPollMs
    }),
    Effect.catchTag("LockUnavailable", () => Effect.void)
  )

const lockPollMs = 100
/** Longer than a login may take in the process that holds the lock. */
const longestWaitMs = 40_000

/** The text of a latch that is there but must not be read is empty, which forbids every try. */
const readIfThere = (path: string): string | undefined => {
  try {
    return readFileSync(path, "utf8")
  } catch (error) {
    const mayLook = attempted(() => accessSync(dirname(path), constants.X_OK))
    return codeOf(error) === "ENOENT" || !mayLook ? undefined : ""
  }
}

/** What cannot be removed still forbids: the next reader finds it. */
const removeIfPossible = (path: string): void => void attempted(() => removeFile(path))

/**
 * Set-group-id: what root and the service write in it belongs to both. If it cannot be made, writing tells.
 */
const makeDirectory = ({ directory, group }: LatchPlace): void => {
  if (existsSync(directory)) return
  const owner = group === undefined ? undefined : { uid: process.getuid?.() ?? 0, gid: group }
  attempted(() => makeDirectories(directory, { owner, mode: group === undefined ? 0o750 : 0o2770 }))
}

const attempted = (step: () => void): boolean => {
  try {
    step()
    return true
  } catch {
    return false
  }
}

const codeOf = (error: unknown): unknown => (error instanceof Error && "code" in error ? error.code : undefined)
