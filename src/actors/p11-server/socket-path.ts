/**
 * Listens on a UNIX socket at a path: locked, with the right mode from its first instant, never in another's way.
 *
 * The socket is bound under a name of its own and then renamed to its path. So a stale socket is replaced in one step,
 * and Node, which removes the name it has bound when it stops listening, never removes a successor's socket.
 */
import { lchownSync, lstatSync, mkdirSync, renameSync, type Stats, statSync, unlinkSync } from "node:fs"
import type { Server } from "node:net"
import { dirname, join } from "node:path"
import { Effect, type Scope } from "effect"
import { ListenFailed, type P11ServerEvent } from "../../messages/p11-server.ts"
import { acquireFileLock } from "../../platform/file-lock.ts"
import { answersPing } from "../../platform/frame-exchange.ts"
import { type Listen, listenFailed, newServer, reasonOf, startListening } from "./listening.ts"

export interface SocketPathSpec {
  readonly path: string
  /** Permissions of the socket, `0o660` and the like; undefined: what the umask leaves. */
  readonly mode?: number
  /** Group of the socket; undefined: that of the process. */
  readonly group?: number | undefined
  readonly publish: (event: P11ServerEvent) => Effect.Effect<void>
}

export const listenOnPath =
  ({ path, mode, group, publish }: SocketPathSpec): Listen =>
  (prepare) =>
    Effect.gen(function* () {
      const bindPath = join(dirname(path), `.p11-${process.pid}`)
      if (Math.max(Buffer.byteLength(path), Buffer.byteLength(bindPath)) > longestPath)
        return yield* refuse(path, "tooLong", `${Buffer.byteLength(path)}`)
      yield* attempt(path, () => mkdirSync(dirname(path), { recursive: true }))
      yield* lock(path)
      if (yield* makeWay(path)) yield* publish({ _tag: "StaleSocketRemoved", path })
      const server = yield* newServer
      prepare(server)
      yield* listenAndRename(server, { path, bindPath, mode, group })
    })

/** sockaddr_un has 108 bytes, one of them for the end. */
const longestPath = 107

const lock = (path: string): Effect.Effect<void, ListenFailed, Scope.Scope> =>
  acquireFileLock(`${path}.lock`).pipe(
    Effect.catchTags({
      LockHeld: ({ pid }) => refuse(path, "inUse", pid === undefined ? "" : `${pid}`),
      LockUnavailable: ({ code, detail }) => refuse(path, reasonOf(code) ?? "lock", detail)
    })
  )

/** True when a stale socket lies there; it will be replaced. Refuses when anything else does. */
const makeWay = (path: string): Effect.Effect<boolean, ListenFailed> =>
  Effect.gen(function* () {
    const there = yield* attempt(path, () => lstatSync(path, { throwIfNoEntry: false }))
    if (there === undefined) return false
    if (!there.isSocket()) return yield* refuse(path, "notASocket", kindOf(there))
    // Services before ours hold no lock that we would meet, or one of another name.
    if (yield* answersPing(path, "2 seconds")) return yield* refuse(path, "inUse", "")
    return true
  })

const kindOf = (stats: Stats): string =>
  stats.isDirectory() ? "directory" : stats.isSymbolicLink() ? "symbolic link" : stats.isFile() ? "file" : "device"

interface Place {
  readonly path: string
  readonly bindPath: string
  readonly mode: number | undefined
  readonly group: number | undefined
}

const listenAndRename = (server: Server, { path, bindPath, mode, group }: Place) =>
  Effect.acquireRelease(
    Effect.gen(function* () {
      yield* attempt(path, () => removeIfThere(bindPath))
      yield* startListening(server, { path: bindPath }, { path, mode })
      if (group !== undefined) yield* attempt(path, () => lchownSync(bindPath, -1, group))
      yield* attempt(path, () => renameSync(bindPath, path))
      return yield* attempt(path, () => statSync(path).ino)
    }),
    (inode) => Effect.sync(() => removeOwn(path, inode))
  )

/** Only our own socket: a successor's has another inode. */
const removeOwn = (path: string, inode: number): void => {
  if (lstatSync(path, { throwIfNoEntry: false })?.ino === inode) removeIfThere(path)
}

const removeIfThere = (path: string): void => {
  if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) unlinkSync(path)
}

/** A system call; what it refuses is told by its code. */
const attempt = <A>(path: string, call: () => A): Effect.Effect<A, ListenFailed> =>
  Effect.try({ try: call, catch: (error) => listenFailed(path, error) })

const refuse = (path: string, reason: ListenFailed["reason"], detail: string) =>
  Effect.fail(new ListenFailed({ path, reason, detail }))
