/**
 * Whole messages over stream sockets: reads until the peer shuts down writing; writes a message and shuts down.
 *
 * Interrupting these does not destroy the socket; `connectUnix` does so when its scope closes.
 */
import type { Socket } from "node:net"
import { Data, Effect, type Scope } from "effect"
import { errorCode } from "../process/error-code.ts"
import { dialUnix } from "./unix-path.ts"

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
