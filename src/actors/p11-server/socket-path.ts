/**
 * Listens on a UNIX socket at a path: locked, with the right mode from the start, never replacing another's.
 *
 * The socket is bound under a temporary name and then renamed to its path. So a stale socket is replaced atomically,
 * and mode and group are set before it appears.
 */
import { lstatSync, renameSync, statSync, unlinkSync } from "node:fs"
import { dirname, join } from "node:path"
import { Effect, type Scope } from "effect"
import { ListenFailed, type P11ServerEvent } from "../../messages/p11-server.ts"
import type { Owner } from "../../platform/files/file-calls.ts"
import { acquireFileLock } from "../../platform/files/file-lock.ts"
import { giveSocket } from "../../platform/files/given-files.ts"
import { makeDirectory } from "../../platform/files/make-directory.ts"
import { listenUnix } from "../../platform/native/unix-addon.ts"
import { isServed } from "../../platform/sockets/frame-exchange.ts"
import { longestUnixPath } from "../../platform/sockets/socket-io.ts"
import { type Listen, listenFailed, listening, listenReason } from "./listening.ts"

interface SocketPathSpec {
  readonly path: string
  /** Permissions of the socket, `0o660` and the like; undefined: by the umask. */
  readonly mode?: number
  /** Group of the socket; undefined: that of the process. */
  readonly group?: number | undefined
  /** Of the lock file; undefined: the process. */
  readonly lockOwner?: Owner | undefined
  readonly publish: (event: P11ServerEvent) => Effect.Effect<void>
}

export const listenOnPath = ({ path, mode, group, lockOwner, publish }: SocketPathSpec): Listen =>
  Effect.gen(function* () {
    const bindPath = join(dirname(path), `.p11-${process.pid}`)
    if (Math.max(Buffer.byteLength(path), Buffer.byteLength(bindPath)) > longestUnixPath)
      return yield* refuse(path, "tooLong", `${Buffer.byteLength(path)}`)
    yield* systemCall(path, () => makeDirectory(dirname(path)))
    yield* lock(path, lockOwner)
    if (yield* hasStaleSocket(path)) yield* publish({ _tag: "StaleSocketRemoved", path })
    return yield* listenAndRename({ path, bindPath, mode, group })
  })

const lock = (path: string, owner: Owner | undefined): Effect.Effect<void, ListenFailed, Scope.Scope> =>
  acquireFileLock(`${path}.lock`, { owner }).pipe(
    Effect.catchTags({
      LockHeld: ({ pid }) => refuse(path, "inUse", pid === undefined ? "" : `${pid}`),
      LockUnavailable: ({ code, detail }) => refuse(path, listenReason(code) ?? "lock", detail)
    })
  )

/** True if a stale socket exists, which will be replaced. Refuses anything else. */
const hasStaleSocket = (path: string): Effect.Effect<boolean, ListenFailed> =>
  Effect.gen(function* () {
    const there = yield* systemCall(path, () => lstatSync(path, { throwIfNoEntry: false }))
    if (there === undefined) return false
    if (!there.isSocket()) {
      const otherKind = there.isSymbolicLink() ? "symbolic link" : there.isFile() ? "file" : "device"
      return yield* refuse(path, "notASocket", there.isDirectory() ? "directory" : otherKind)
    }
    // Services before ours hold no lock that we use, or one with another name.
    if (yield* isServed(path)) return yield* refuse(path, "inUse", "")
    return true
  })

interface Place {
  readonly path: string
  readonly bindPath: string
  readonly mode: number | undefined
  readonly group: number | undefined
}

const listenAndRename = ({ path, bindPath, mode, group }: Place): Listen =>
  Effect.gen(function* () {
    yield* systemCall(path, () => removeIfThere(bindPath))
    const descriptor = yield* listening(path, () => withMode(mode, () => listenUnix(bindPath)))
    const named = Effect.onError(
      systemCall(path, () => {
        if (group !== undefined) giveSocket(bindPath, group)
        renameSync(bindPath, path)
        return statSync(path).ino
      }),
      () => Effect.sync(() => removeIfThere(bindPath))
    )
    yield* Effect.acquireRelease(named, (inode) =>
      Effect.sync(() => {
        // Only our own socket: a successor's has another inode.
        if (lstatSync(path, { throwIfNoEntry: false })?.ino === inode) removeIfThere(path)
      })
    )
    return descriptor
  })

/** The umask is process-wide; the socket is bound before this returns, so no other code is affected. */
const withMode = (mode: number | undefined, listen: () => number): number => {
  if (mode === undefined) return listen()
  const before = process.umask(0o777 & ~mode)
  try {
    return listen()
  } finally {
    process.umask(before)
  }
}

const removeIfThere = (path: string): void => {
  if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) unlinkSync(path)
}

/** A system call; its errors keep their code. */
const systemCall = <A>(path: string, call: () => A): Effect.Effect<A, ListenFailed> =>
  Effect.try({ try: call, catch: (error) => listenFailed(path, error) })

const refuse = (path: string, reason: ListenFailed["reason"], detail: string) =>
  Effect.fail(new ListenFailed({ path, reason, detail }))
