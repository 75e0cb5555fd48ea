/**
 * One client, from its first byte to the last of its answer.
 *
 * The time to read and the time to write are limited as a whole, so that a byte a second does not help anybody.
 */
import type { Socket } from "node:net"
import { Clock, Effect, Result } from "effect"
import type { Client, P11ServerEvent, P11ServerLimits } from "../../messages/p11-server.ts"
import { withoutPin } from "../../messages/pkcs11-uri.ts"
import { decodeFrame, encodeFrame, type Frame, FrameNotDecoded } from "../../messages/wire/frame1.ts"
import { readToEnd, type SocketFailed, writeAndFinish } from "../../platform/socket-io.ts"
import { operationOf } from "./answer-request.ts"
import { errorText, type RequestFailure } from "./frame-errors.ts"

export interface ConnectionSpec {
  readonly socket: Socket
  readonly client: Client
  readonly limits: P11ServerLimits
  readonly answer: (request: Frame) => Effect.Effect<Frame, RequestFailure>
  /** Called when the request is complete: from now on the client is owed an answer. */
  readonly onRequest: () => void
  readonly publish: (event: P11ServerEvent) => Effect.Effect<void>
}

export type Outcome = "served" | "refused" | "cut"

/** Serves one request. The caller destroys the socket. */
export const serveConnection = (spec: ConnectionSpec): Effect.Effect<Outcome> =>
  Effect.catch(serveRequest(spec), (reason) => cut(spec, reason))

const serveRequest = (spec: ConnectionSpec): Effect.Effect<Outcome, CutReason> =>
  Effect.gen(function* () {
    const { socket, limits } = spec
    const bytes = yield* withinMs(readToEnd(socket, requestLimit), limits.readMs, "silent")
    spec.onRequest()
    const startedAt = yield* Clock.currentTimeMillis
    const request = Result.match(decodeFrame(bytes), { onSuccess: (frame) => frame, onFailure: (failure) => failure })
    const answered = yield* Effect.result(
      request instanceof FrameNotDecoded ? Effect.fail(request) : spec.answer(request)
    )
    const answer = Result.isSuccess(answered) ? answered.success : errorFrame(answered.failure)
    yield* withinMs(writeAndFinish(socket, encodeFrame(answer)), limits.writeMs, "notReading")
    const tookMs = (yield* Clock.currentTimeMillis) - startedAt
    const operation = request instanceof FrameNotDecoded ? undefined : operationOf(request._tag)
    if (Result.isFailure(answered)) {
      const what = { client: spec.client, operation, uri: uriOf(request), tookMs }
      yield* spec.publish({ _tag: "RequestRefused", ...what, reason: errorText(answered.failure) })
      return "refused"
    }
    // A Ping is no operation.
    if (operation !== undefined) {
      const uri = uriOf(answer) ?? uriOf(request)
      yield* spec.publish({ _tag: "RequestServed", client: spec.client, operation, uri, tookMs })
    }
    return "served"
  })

/** The client is told, if it listens, and nothing more is done for it. */
export const turnAway = ({ socket, client, publish }: Pick<ConnectionSpec, "socket" | "client" | "publish">) =>
  writeAndFinish(socket, encodeFrame(errorFrame({ _tag: "Busy" }))).pipe(
    Effect.timeoutOption(farewellMs),
    Effect.ignore,
    Effect.andThen(publish({ _tag: "ClientCut", client, reason: "tooMany" }))
  )

/** No request is longer; CertificateVerify is below 200 bytes. */
const requestLimit = 64 * 1024
const farewellMs = 500

type CutReason = Extract<P11ServerEvent, { readonly _tag: "ClientCut" }>["reason"]

const withinMs = <A>(work: Effect.Effect<A, SocketFailed>, ms: number, late: CutReason): Effect.Effect<A, CutReason> =>
  work.pipe(
    Effect.mapError((failed): CutReason => (failed.reason === "tooLong" ? "tooLong" : "gone")),
    Effect.timeoutOrElse({ duration: ms, orElse: () => Effect.fail(late) })
  )

const cut = ({ socket, client, publish }: ConnectionSpec, reason: CutReason): Effect.Effect<Outcome> =>
  Effect.gen(function* () {
    yield* publish({ _tag: "ClientCut", client, reason })
    if (reason === "tooLong" || reason === "silent") {
      const failure = new FrameNotDecoded({ reason: reason === "silent" ? "ends-early" : "too-long", frame: undefined })
      const farewell = writeAndFinish(socket, encodeFrame(errorFrame(failure)))
      yield* Effect.ignore(Effect.timeoutOption(farewell, farewellMs))
    }
    return "cut" as const
  })

const errorFrame = (failure: RequestFailure): Frame => ({ _tag: "Error", message: errorText(failure) })

const uriOf = (request: Frame | FrameNotDecoded): string | undefined =>
  "uri" in request && request.uri !== undefined ? withoutPin(request.uri) : undefined
