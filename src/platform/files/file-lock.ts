/**
 * A lock file as thin-edge uses it: held by flock(2), containing the holder's process id.
 *
 * Any process that can open the file can hold the lock and so keep services from starting: only its owner may open it.
 * It is not deleted on release: two processes could then lock two files of the same name.
 */
import { closeSync, ftruncateSync, writeSync } from "node:fs"
import { Effect, type Scope } from "effect"
import { AddonNotLoaded, LockHeld, LockUnavailable } from "../../messages/platform.ts"
import { tryLock } from "../native/unix-addon.ts"
import { errorCode, messageOf } from "../process/error-code.ts"
import { lockOwner } from "../process/lock-owner.ts"
import { userName } from "../users/accounts.ts"
import type { Owner } from "./file-calls.ts"
import { ForeignLockFile, openLock } from "./given-files.ts"

interface LockFile {
  /** 0600: for its owner. 0660: shared by two users through their common group. */
  readonly mode?: 0o600 | 0o660
  /** The services' user, who reads the holder's process id in it; undefined: the caller. */
  readonly owner?: Owner | undefined
}

/** Holds the lock until the scope closes. Sets mode and owner of an existing file too. */
export const acquireFileLock = (
  path: string,
  file: LockFile = {}
): Effect.Effect<void, LockHeld | LockUnavailable, Scope.Scope> =>
  Effect.asVoid(
    Effect.acquireRelease(
      Effect.suspend(() => lockFile(path, file)),
      (descriptor) => Effect.sync(() => closeSync(descriptor))
    )
  )

/** Returns the descriptor that holds the lock. */
const lockFile = (
  path: string,
  { mode = 0o600, owner }: LockFile
): Effect.Effect<number, LockHeld | LockUnavailable> => {
  let descriptor: number | undefined
  try {
    // Truncated only once it is locked: it contains the holder's id.
    descriptor = openLock(path, { mode, owner })
    if (tryLock(descriptor)) {
      ftruncateSync(descriptor)
      // Without a line end, as thin-edge's programs write it.
      writeSync(descriptor, `${process.pid}`, 0)
      return Effect.succeed(descriptor)
    }
    closeSync(descriptor)
    return Effect.fail(new LockHeld({ path, pid: lockOwner(path) }))
  } catch (error) {
    if (descriptor !== undefined) closeSync(descriptor)
    return Effect.fail(unavailable(path, error))
  }
}

const unavailable = (path: string, error: unknown): LockUnavailable => {
  if (error instanceof AddonNotLoaded) return new LockUnavailable({ path, code: "addon", detail: error.reason })
  if (error instanceof ForeignLockFile) return new LockUnavailable({ path, code: "owner", detail: userName(error.uid) })
  const detail = messageOf(error)
  return new LockUnavailable({ path, code: errorCode(error) ?? "", detail })
}
