/**
 * Other programs' UNIX sockets: dials one by its path, and sends and receives whole messages: reads until the peer shuts down
 * writing; writes a message and shuts down. Interrupting does not destroy the socket; `connectUnix` does so when its scope closes.
 *
 * Node 20 truncates a path that is too long, and would use another file. Source: unix(7), `sun_path`.
 */
import { lstatSync, statSync } from "node:fs"
import { connect, type NetConnectOpts, Socket } from "node:net"
import { dirname } from "node:path"
import { Data, Effect, type Scope } from "effect"
import { errorCode } from "../process/error-code.ts"

/** sockaddr_un has 108 bytes, the last of them for the end. */
export const longestUnixPath = 107

/** Undefined: it fits. */
export const unixPathFault = (path: string): Error | undefined => {
  const size = Buffer.byteLength(path)
  if (size <= longestUnixPath) return undefined
  const text = `the path has ${size} bytes; the maximum is ${longestUnixPath}`
  return Object.assign(new Error(text), { code: "ENAMETOOLONG" })
}

/** As `connect` of Node; fails with ENAMETOOLONG if the path does not fit. */
export const dialUnix = (path: string, options: Pick<NetConnectOpts, "allowHalfOpen"> = {}): Socket => {
  const fault = unixPathFault(path)
  return fault === undefined ? connect({ path, ...options }) : new Socket().destroy(fault)
}

/**
 * User id of a socket's owner, if not in `trusted`; undefined: trusted, or no socket. In a world-writable directory the first
 * process to bind the path listens, not necessarily the service.
 */
export const foreignOwner = (socketPath: string, trusted: ReadonlySet<number>): number | undefined => {
  try {
    if ((statSync(dirname(socketPath)).mode & othersWrite) === 0) return undefined
    // Of a symlink itself: its owner chooses the target.
    const { uid } = lstatSync(socketPath)
    return trusted.has(uid) ? undefined : uid
  } catch {
    // No socket, or not accessible: connecting reports why.
    return undefined
  }
}

const othersWrite = 0o002

/** The message was not completely sent or received. */
export class SocketFailed extends Data.TaggedError("SocketFailed")<{
  /** `tooLong`: the peer exceeded the limit. `closed`: closed before the message was complete. */
  readonly reason: "connect" | "closed" | "tooLong"
  /** `ENOENT` and the like; empty if there is none. */
  readonly code: string
}> {}

/** Connects to a UNIX socket; destroyed when the scope closes. */
export const connectUnix = (path: string): Effect.Effect<Socket, SocketFailed, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<Socket, SocketFailed>((resume) => {
      const socket = dialUnix(path, { allowHalfOpen: true })
      socket.once("connect", () => resume(Effect.succeed(socket)))
      // For the life of the socket: an error without a listener would end the process.
      socket.on("error", (error) =>
        resume(Effect.fail(new SocketFailed({ reason: "connect", code: errorCode(error) ?? "" })))
      )
      return Effect.sync(() => socket.destroy())
    }),
    (socket) => Effect.sync(() => socket.destroy()),
    { interruptible: true }
  )

/** Reads until the peer shuts down writing, at most `limit` bytes. The socket needs an "error" listener. */
export const readToEnd = (socket: Socket, limit: number): Effect.Effect<Uint8Array, SocketFailed> =>
  Effect.callback((resume) => {
    const chunks: Array<Uint8Array> = []
    let length = 0
    const onData = (chunk: Buffer) => {
      length += chunk.length
      chunks.push(chunk)
      if (length > limit) finish(Effect.fail(new SocketFailed({ reason: "tooLong", code: "" })))
    }
    const onEnd = () => finish(Effect.succeed(Uint8Array.from(Buffer.concat(chunks))))
    const onClose = () =>
      finish(Effect.fail(new SocketFailed({ reason: "closed", code: errorCode(socket.errored) ?? "" })))
    const leave = () => {
      socket.off("data", onData).off("end", onEnd).off("close", onClose)
      socket.pause()
    }
    const finish = (outcome: Effect.Effect<Uint8Array, SocketFailed>) => {
      leave()
      resume(outcome)
    }
    if (socket.destroyed) onClose()
    else socket.on("data", onData).on("end", onEnd).on("close", onClose)
    return Effect.sync(leave)
  })

/** Writes everything and shuts down writing; done when the kernel has accepted all of it. */
export const writeAndFinish = (socket: Socket, bytes: Uint8Array): Effect.Effect<void, SocketFailed> =>
  Effect.callback((resume) => {
    const onClose = () =>
      resume(Effect.fail(new SocketFailed({ reason: "closed", code: errorCode(socket.errored) ?? "" })))
    socket.once("close", onClose)
    socket.end(bytes, () => {
      socket.off("close", onClose)
      resume(Effect.void)
    })
    return Effect.sync(() => socket.off("close", onClose))
  })
