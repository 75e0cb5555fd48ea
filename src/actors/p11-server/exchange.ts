/**
 * One client, from its first byte to the last of its response.
 *
 * Reading and writing have a total time limit each, so that sending a byte a second does not extend it. A client without a
 * request costs a descriptor and a deadline; a request is a fiber.
 */
import { Effect, Result } from "effect"
import {
  type Client,
  changingOperations,
  type P11ServerEvent,
  type P11ServerLimits,
  type RequestTimes
} from "../../messages/p11-server.ts"
import { type Pkcs11Uri, shownUri } from "../../messages/pkcs11-uri.ts"
import { withoutPin } from "../../messages/shown-text.ts"
import { decodeFrame, encodeFrame, type Frame, FrameNotDecoded } from "../../messages/wire/frame1.ts"
import type { UnixStream } from "../../platform/sockets/unix-stream.ts"
import type { RunningLimit, TimeLimits } from "../../runtime/primitives/deadlines.ts"
import { processMonotonicMs } from "../../runtime/primitives/process-time.ts"
import { operationOf } from "./answer-request.ts"
import { errorText, isAboutRights, type RequestFailure } from "./frame-errors.ts"
import type { Answered } from "./request-context.ts"

interface ExchangeSpec {
  readonly stream: UnixStream
  readonly client: Client
  readonly limits: P11ServerLimits
  readonly times: TimeLimits
  /** The scope of the client. */
  readonly scope: Pkcs11Uri | undefined
  readonly answer: (request: Frame) => Effect.Effect<Answered, RequestFailure>
  readonly publish: (event: P11ServerEvent) => Effect.Effect<void>
}

export type Outcome = "served" | "refused" | "aborted"

/**
 * Calls back, possibly synchronously, with the next step for this client: its request, or its abort. Cancel the returned
 * handle if the client is given up before.
 */
export const readRequest = (
  spec: ExchangeSpec,
  then: (next: "answer" | "aborted", serving: Effect.Effect<Outcome>) => void
): RunningLimit => {
  const acceptedAt = processMonotonicMs()
  let isLate = false
  const late = spec.times.start(spec.limits.readMs, () => {
    isLate = true
    then("aborted", abort(spec, "silent"))
  })
  spec.stream.readToEnd(requestLimit, (read) => {
    if (isLate) return
    late.cancel()
    if (read === "tooLong") then("aborted", abort(spec, "tooLong"))
    else if (read === "closed") then("aborted", abort(spec, "gone"))
    else then("answer", serveRequest(spec, read, { acceptedAt, readAt: processMonotonicMs() }))
  })
  return late
}

const serveRequest = (
  spec: ExchangeSpec,
  bytes: Uint8Array,
  { acceptedAt, readAt }: Pick<RequestTimes, "acceptedAt" | "readAt">
): Effect.Effect<Outcome> =>
  Effect.suspend(() => {
    const request = Result.match(decodeFrame(bytes), { onSuccess: (frame) => frame, onFailure: (failure) => failure })
    const decodedAt = processMonotonicMs()
    const answering = request instanceof FrameNotDecoded ? Effect.fail(request) : spec.answer(request)
    const refuse = (failure: RequestFailure) => {
      const reason = errorText(failure, { scope: spec.scope, forSigning: operationIn(request) === "sign" })
      const answer = encodeFrame({ _tag: "Error", message: reason })
      const times = answeredNow({ acceptedAt, readAt, decodedAt }, undefined)
      return reply(spec, answer, () => refused(spec, request, { failure, reason }, times))
    }
    return Effect.matchEffect(answering, {
      onSuccess: (answer) => {
        const encoded = encodeFrame(answer.frame)
        if (encoded.length > answerLimit) return refuse({ _tag: "AnswerTooLong", bytes: encoded.length })
        const times = answeredNow({ acceptedAt, readAt, decodedAt }, answer.times)
        return reply(spec, encoded, () => served(spec, request, answer, times))
      },
      onFailure: refuse
    })
  })

const reply = (spec: ExchangeSpec, answer: Uint8Array, done: () => Effect.Effect<Outcome>): Effect.Effect<Outcome> =>
  Effect.matchEffect(deliver(spec, answer, spec.limits.writeMs), {
    onSuccess: done,
    onFailure: (reason) => abort(spec, reason)
  })

const served = (
  { client, publish }: ExchangeSpec,
  request: Frame | FrameNotDecoded,
  { frame, key }: Answered,
  times: AnswerTimes
): Effect.Effect<Outcome> => {
  const operation = operationIn(request)
  // Ping is not an operation.
  if (operation === undefined) return Effect.succeed("served")
  // The key itself, not the requested URI: several URIs may select one key, and one URI several.
  const uri = key === undefined ? (uriOf(frame) ?? uriOf(request)) : shownUri(key)
  const isSignature = asksSignature(request)
  return Effect.as(
    publish({ _tag: "RequestServed", client, operation, uri, times: endedNow(times), isSignature }),
    "served"
  )
}

const refused = (
  { client, publish }: ExchangeSpec,
  request: Frame | FrameNotDecoded,
  { failure, reason }: { readonly failure: RequestFailure; readonly reason: string },
  times: AnswerTimes
): Effect.Effect<Outcome> => {
  const operation = operationIn(request)
  const what = { client, operation, uri: uriOf(request), times: endedNow(times), isSignature: asksSignature(request) }
  const isAudited = isAboutRights(failure) || (operation !== undefined && changingOperations.includes(operation))
  return Effect.as(publish({ _tag: "RequestRefused", ...what, reason, isAudited }), "refused")
}

type AnswerTimes = Omit<RequestTimes, "endedAt">

// Field by field: spreading numbers into an object costs V8 several hidden classes for each request.
const answeredNow = (
  { acceptedAt, readAt, decodedAt }: Omit<AnswerTimes, "signed" | "answeredAt">,
  signed: AnswerTimes["signed"]
): AnswerTimes => ({ acceptedAt, readAt, decodedAt, signed, answeredAt: processMonotonicMs() })

const endedNow = ({ acceptedAt, readAt, decodedAt, signed, answeredAt }: AnswerTimes): RequestTimes => ({
  acceptedAt,
  readAt,
  decodedAt,
  signed,
  answeredAt,
  endedAt: processMonotonicMs()
})

const asksSignature = ({ _tag }: Frame | FrameNotDecoded): boolean =>
  _tag === "SignRequest" || _tag === "SignRequestWithSigScheme"

/** Sends the error to the client, if it reads, and ends the exchange. */
export const rejectBusy = (spec: Pick<ExchangeSpec, "stream" | "client" | "times" | "publish">): Effect.Effect<void> =>
  untilAsked(spec).pipe(
    Effect.andThen(Effect.ignore(deliver(spec, encodeFrame(errorFrame({ _tag: "Busy" })), rejectMs))),
    Effect.andThen(spec.publish({ _tag: "ClientAborted", client: spec.client, reason: "tooMany" }))
  )

/** Closing the socket before the request is read completely would discard the error. */
const untilAsked = ({ stream, times }: Pick<ExchangeSpec, "stream" | "times">): Effect.Effect<void> =>
  Effect.callback((resume) => {
    const late = times.start(rejectMs, () => resume(Effect.void))
    stream.discard(discardLimit, () => {
      late.cancel()
      resume(Effect.void)
    })
    return Effect.sync(late.cancel)
  })

/** No request is longer; CertificateVerify is below 200 bytes. */
const requestLimit = 64 * 1024
/** Limit for a request that is read without being served. */
const discardLimit = 1024 * 1024
/** The protocol's limit of a response: clients read no further. */
const answerLimit = 1024 * 1024
const rejectMs = 500

type AbortReason = Extract<P11ServerEvent, { readonly _tag: "ClientAborted" }>["reason"]

const abort = (spec: ExchangeSpec, reason: AbortReason): Effect.Effect<Outcome> =>
  Effect.gen(function* () {
    yield* spec.publish({ _tag: "ClientAborted", client: spec.client, reason })
    if (reason === "tooLong") yield* untilAsked(spec)
    if (reason === "tooLong" || reason === "silent") {
      const failure = new FrameNotDecoded({ reason: reason === "silent" ? "ends-early" : "too-long", frame: undefined })
      yield* Effect.ignore(deliver(spec, encodeFrame(errorFrame(failure)), rejectMs))
    }
    return "aborted" as const
  })

/** Done when the kernel has accepted all of it. */
const deliver = (
  { stream, times }: Pick<ExchangeSpec, "stream" | "times">,
  answer: Uint8Array,
  ms: number
): Effect.Effect<void, AbortReason> =>
  Effect.callback((resume) => {
    const late = times.start(ms, () => resume(Effect.fail("notReading")))
    stream.finish(answer, (outcome) => {
      late.cancel()
      resume(outcome === "written" ? Effect.void : Effect.fail("gone"))
    })
    return Effect.sync(late.cancel)
  })

const errorFrame = (failure: RequestFailure): Frame => ({ _tag: "Error", message: errorText(failure) })

const operationIn = (request: Frame | FrameNotDecoded) =>
  request instanceof FrameNotDecoded ? undefined : operationOf(request._tag)

const uriOf = (request: Frame | FrameNotDecoded): string | undefined =>
  "uri" in request && request.uri !== undefined ? withoutPin(request.uri) : undefined
