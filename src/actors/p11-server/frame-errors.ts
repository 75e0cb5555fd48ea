/**
 * The text of an Error frame, for every way a request can fail.
 *
 * Deployed scripts look for fragments of it; the rest is ours. Without control characters, never a PIN: the text ends
 * up in other programs' logs.
 * Source: the signing service's protocol, version 1, "Meaning".
 */
import { explainNotAllowed, explainNotUsable } from "../../messages/explain/p11-server.ts"
import { explain, type Failure } from "../../messages/explain.ts"
import type { OperationNotAllowed, RequestNotUsable } from "../../messages/p11-server.ts"
import type { FrameNotDecoded } from "../../messages/wire/frame1.ts"

export type RequestFailure =
  | Failure
  | FrameNotDecoded
  | OperationNotAllowed
  | RequestNotUsable
  | NoRequest
  | Busy
  | AnswerTooLong

/** A frame that is an answer, sent as a request. */
export interface NoRequest {
  readonly _tag: "NoRequest"
}

/** More connections than the service, or one user, may have. */
export interface Busy {
  readonly _tag: "Busy"
}

/** The answer is longer than the protocol allows. */
export interface AnswerTooLong {
  readonly _tag: "AnswerTooLong"
  readonly bytes: number
}

/** A rule to paste has lines of its own: it is made of nothing that a client wrote. */
export const errorText = (failure: RequestFailure): string =>
  failure._tag === "OperationNotAllowed" ? sentence(failure) : oneLine(sentence(failure))

/** Whether a refusal is about a right or a PIN, and so has its line in the log whatever is limited there. */
export const isAboutRights = ({ _tag }: RequestFailure): boolean =>
  _tag === "OperationNotAllowed" || _tag === "OutsideScope" || _tag.startsWith("Pin")

const sentence = (failure: RequestFailure): string => {
  switch (failure._tag) {
    case "FrameNotDecoded":
      return `Failed to parse the received frame: ${failure.reason}${failure.frame === undefined ? "" : ` in ${failure.frame}`}`
    case "NoRequest":
      return "invalid request"
    case "Busy":
      return "too many connections; try again"
    case "AnswerTooLong":
      return `${service}the answer has ${failure.bytes} bytes, and the protocol allows 1 MiB; name a token, and a key by its id or label`
    case "OperationNotAllowed":
      return service + explainNotAllowed(failure)
    case "RequestNotUsable":
      return service + explainNotUsable(failure)
    case "PinRejected": {
      const { error } = explain(failure)
      return failure.reason === "differs" ? `${service}${wrongPin}: ${error}` : service + error
    }
    default:
      return `${service}${explain(failure).error}`
  }
}

/** What scripts look for when the PIN of a request is not the one that counts. */
const wrongPin = "The specified PIN is incorrect"

/** In front of everything the token side reports. */
const service = "PKCS #11 service failed: "

const oneLine = (text: string): string => {
  const line = text.replace(/[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]+/gu, " ").trim()
  return line.length > longest ? `${line.slice(0, longest)}...` : line
}

const longest = 2000
