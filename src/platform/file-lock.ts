/**
 * A lock file as thin-edge has them: held by flock(2), with the holder's process id inside.
 *
 * The file stays when the lock is given back: deleting it would let two processes lock two files of one name.
 */
import { closeSync, constants, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs"
import { Effect, type Scope } from "effect"
import { AddonNotLoaded, LockHeld, LockUnavailable } from "../messages/platform.ts"
import { tryLock } from "./unix-addon.ts"

/** Holds the lock until the scope closes. `mode` is for a file that is not there yet; the umask applies. */
export const acquireFileLock = (
  path: string,
  mode = 0o666
): Effect.Effect<void, LockHeld | LockUnavailable, Scope.Scope> =>
  Effect.asVoid(
    Effect.acquireRelease(
      Effect.suspend(() => lockFile(path, mode)),
      (descriptor) => Effect.sync(() => closeSync(descriptor))
    )
  )

/** Answers the descriptor that holds the lock. */
const lockFile = (path: string, mode: number): Effect.Effect<number, LockHeld | LockUnavailable> => {
  let descriptor: number | undefined
  try {
    descriptor = openSync(path, openFlags, mode)
    if (tryLock(descriptor)) {
      ftruncateSync(descriptor)
      // Without a line end, as the programs of thin-edge write it.
      writeSync(descriptor, `${process.pid}`, 0)
      return Effect.succeed(descriptor)
    }
    const pid = writtenPid(descriptor)
    closeSync(descriptor)
    return Effect.fail(new LockHeld({ path, pid }))
  } catch (error) {
    if (descriptor !== undefined) closeSync(descriptor)
    return Effect.fail(unavailable(path, error))
  }
}

const writtenPid = (descriptor: number): number | undefined => {
  const pid = Number(readFileSync(descriptor, "utf8").trim())
  return Number.isSafeInteger(pid) && pid > 0 ? pid : undefined
}

const unavailable = (path: string, error: unknown): LockUnavailable => {
  if (error instanceof AddonNotLoaded) return new LockUnavailable({ path, code: "addon", detail: error.reason })
  const known = error instanceof Error ? error : new Error(String(error))
  return new LockUnavailable({ path, code: "code" in known ? String(known.code) : "", detail: known.message })
}

/** Not truncated before it is locked: that would wipe out the holder's id. No link is followed: /run/lock is anybody's. */
const openFlags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW
