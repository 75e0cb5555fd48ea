/**
 * One request to tedge-p11-server and its response: one connection, one frame each way.
 *
 * Source: the signing service's protocol, version 1: the client writes its frame and shuts down writing.
 */
import { type Duration, Effect, Result } from "effect"
import { SigningServiceResponseInvalid, SigningServiceUnreachable } from "../../messages/token-refusals.ts"
import { decodeFrame, encodeFrame, type Frame } from "../../messages/wire/frame1.ts"
import { busyWhile } from "../process/busy-checks.ts"
import { connectUnix, readToEnd, type SocketFailed, writeAndFinish } from "./socket-io.ts"

type ExchangeFailed = SigningServiceUnreachable | SigningServiceResponseInvalid

/** Sends one frame and reads the response. Interrupting closes the connection. */
export const exchangeFrame = (
  socketPath: string,
  request: Frame,
  within: Duration.Input
): Effect.Effect<Frame, ExchangeFailed> =>
  Effect.gen(function* () {
    yield* busyWhile(() => true)
    const socket = yield* connectUnix(socketPath)
    // A server that responds early (too many connections) may have closed its reading half: its response still counts.
    yield* Effect.ignore(writeAndFinish(socket, encodeFrame(request)))
    return yield* readToEnd(socket, responseLimit)
  }).pipe(
    Effect.mapError((failed) => exchangeFailure(socketPath, failed)),
    Effect.scoped,
    Effect.timeoutOrElse({
      duration: within,
      orElse: () => Effect.fail(unreachable(socketPath, "silent", ""))
    }),
    Effect.flatMap((bytes) => answerOf(socketPath, bytes))
  )

/** Whether a server listens there. A slow or stopped one, or another program, counts; only a refused connection does not. */
export const isServed = (socketPath: string): Effect.Effect<boolean> =>
  exchangeFrame(socketPath, { _tag: "Ping" }, "2 seconds").pipe(
    Effect.as(true),
    Effect.catch((failed) => Effect.succeed(!(failed._tag === "SigningServiceUnreachable" && isRefused(failed.reason))))
  )

const isRefused = (reason: SigningServiceUnreachable["reason"]): boolean => reason === "refused" || reason === "missing"

/** Longest response: a list of some thousand keys. */
const responseLimit = 1024 * 1024

const answerOf = (socketPath: string, bytes: Uint8Array): Effect.Effect<Frame, ExchangeFailed> => {
  if (bytes.length === 0) return Effect.fail(unreachable(socketPath, "closedEarly", ""))
  const frame = decodeFrame(bytes)
  if (Result.isSuccess(frame)) return Effect.succeed(frame.success)
  const { reason } = frame.failure
  // The service was stopped while it responded.
  if (reason === "ends-early") return Effect.fail(unreachable(socketPath, "closedEarly", ""))
  return Effect.fail(new SigningServiceResponseInvalid({ socketPath, detail: reason }))
}

const exchangeFailure = (socketPath: string, failed: SocketFailed): ExchangeFailed => {
  switch (failed.reason) {
    case "tooLong":
      return new SigningServiceResponseInvalid({ socketPath, detail: "longer than 1 MiB" })
    case "closed":
      return unreachable(socketPath, "closedEarly", failed.code)
    case "connect":
      return unreachable(socketPath, connectReasons[failed.code] ?? "other", failed.code)
  }
}

const connectReasons: Readonly<Record<string, SigningServiceUnreachable["reason"]>> = {
  ENOENT: "missing",
  EACCES: "noPermission",
  EPERM: "noPermission",
  ECONNREFUSED: "refused",
  ENOTSOCK: "refused",
  ECONNRESET: "closedEarly",
  EPIPE: "closedEarly"
}

const unreachable = (socketPath: string, reason: SigningServiceUnreachable["reason"], detail: string) =>
  new SigningServiceUnreachable({ socketPath, reason, detail })
