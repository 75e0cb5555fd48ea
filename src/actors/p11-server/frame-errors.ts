/**
 * What a client is told of a failure: within its scope, as the text of an Error frame.
 *
 * Deployed scripts look for fragments of it; the rest is ours. Without control characters, never a PIN: the text ends
 * up in other programs' logs.
 * Source: the signing service's protocol, version 1, "Meaning".
 */

import { Result } from "effect"
import { explainNotAllowed, explainNotUsable, explainSettingsNotRead } from "../../messages/explain/p11-server.ts"
import { explain, type Failure } from "../../messages/explain.ts"
import type { OperationNotAllowed, RequestNotUsable, SettingsNotRead } from "../../messages/p11-server.ts"
import { type Pkcs11Uri, parsePkcs11Uri, shownUri } from "../../messages/pkcs11-uri.ts"
import { namesObject, pathFields, sameAttribute } from "../../messages/pkcs11-uri-match.ts"
import { keysFragment, longestServiceText, scopeOfService, tokensFragment } from "../../messages/service-fragments.ts"
import { shownText } from "../../messages/shown-text.ts"
import { KeyNotFound, TokenNotFound } from "../../messages/token-refusals.ts"
import type { FrameNotDecoded } from "../../messages/wire/frame1.ts"

export type RequestFailure =
  | Failure
  | FrameNotDecoded
  | OperationNotAllowed
  | RequestNotUsable
  | SettingsNotRead
  | NoRequest
  | Busy
  | AnswerTooLong

/** A frame that is an answer, sent as a request. */
interface NoRequest {
  readonly _tag: "NoRequest"
}

/** More connections than the service, or one user, may have. */
interface Busy {
  readonly _tag: "Busy"
}

/** The answer is longer than the protocol allows. */
interface AnswerTooLong {
  readonly _tag: "AnswerTooLong"
  readonly bytes: number
}

interface ErrorContext {
  /** A signing key was wanted. */
  readonly forSigning: boolean
  /** What the client is narrowed to, by the service and by its rule. */
  readonly scope: Pkcs11Uri | undefined
}

/** A rule to paste has lines of its own: it is made of nothing that a client wrote. */
export const errorText = (
  failure: RequestFailure,
  context: ErrorContext = { forSigning: true, scope: undefined }
): string => {
  if (failure._tag === "OperationNotAllowed") return sentence(failure)
  const text = `${sentence(failure)}${secondHalf(failure, context)}`
  // thin-edge's service says so for signing keys alone.
  const own = context.forSigning ? text : text.replace(`${service}Failed to find a signing key: `, service)
  const line = shownText(own.replace(/[\s\p{Cc}]+/gu, " ")).trim()
  return line.length > longestServiceText ? `${line.slice(0, longestServiceText)}...` : line
}

/** What can be chosen, and what is missing: clients of thin-edge show this text and nothing else. */
const secondHalf = (failure: RequestFailure, { scope }: ErrorContext): string => {
  switch (failure._tag) {
    case "TokenAmbiguous":
    case "KeyAmbiguous":
      return `. Please select one by passing its URI: ${failure.candidates.toSorted().join(", ")}`
    case "TokenNotFound": {
      const narrowed = scope === undefined ? "" : `; ${scopeOfService} allows '${shownUri(scope)}' only`
      if (failure.onOtherToken !== undefined) return narrowed
      const present =
        failure.present.length === 0 ? "no token is there" : `${tokensFragment}${failure.present.join(", ")}`
      return `${narrowed}; ${scope !== undefined && failure.present.length === 0 ? "none of the tokens found is allowed" : present}`
    }
    case "KeyNotFound": {
      const narrowed =
        scope !== undefined && namesObject(scope) ? `; ${scopeOfService} allows '${shownUri(scope)}' only` : ""
      return narrowed + candidates(failure.present)
    }
    default:
      return ""
  }
}

const candidates = (keys: ReadonlyArray<string> | undefined): string => {
  if (keys === undefined) return ""
  if (keys.length === 0) return "; no private key is there"
  const more = keys.length > mostCandidates ? ` and ${keys.length - mostCandidates} more` : ""
  return `; ${keysFragment}${keys.slice(0, mostCandidates).join(", ")}${more}`
}

const mostCandidates = 5

/** Whether a refusal is about a right or a PIN, and so has its line in the log whatever is limited there. */
export const isAboutRights = ({ _tag }: RequestFailure): boolean =>
  _tag === "SettingsNotRead" || _tag === "OperationNotAllowed" || _tag === "OutsideScope" || _tag.startsWith("Pin")

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
    case "SettingsNotRead":
      return service + explainSettingsNotRead(failure)
    case "OperationNotAllowed":
      return service + explainNotAllowed(failure)
    case "RequestNotUsable":
      return service + explainNotUsable(failure)
    case "OutsideScope":
      return `${service}'${failure.uri}' is outside the scope of device.cryptoki.uri: '${failure.scope}' (${scopeOfService}, or the uri of a rule there)`
    case "PinMissing":
      return `${service}token '${failure.token}' requires a PIN: the request has none, and tedge-p11-server has none (device.cryptoki.pin)`
    case "PinRejected": {
      const { error } = explain(failure)
      return failure.reason === "differs" && !error.includes(wrongPin)
        ? `${service}${wrongPin}: ${error}`
        : service + error
    }
    default:
      return `${service}${explain(failure).error}`
  }
}

/** What scripts look for when the PIN of a request is not the one that counts. */
const wrongPin = "The specified PIN is incorrect"

/** In front of everything the token side reports. */
const service = "PKCS #11 service failed: "

/**
 * A refusal as a client may read it: no token and no key that lies outside of its scope is named. CryptokiActor sees all tokens
 * of the module, as each request is narrowed before it gets there.
 */
export const insideScope = (scope: Pkcs11Uri | undefined, failure: RequestFailure): RequestFailure => {
  if (scope === undefined) return failure
  if (failure._tag === "TokenNotFound") {
    const { uri, forKey, onOtherToken } = failure
    return new TokenNotFound({
      uri,
      present: failure.present.filter((one) => lies(scope, one, tokenFields)),
      ...(forKey && { forKey }),
      ...(onOtherToken && lies(scope, onOtherToken.uri, pathFields) && { onOtherToken })
    })
  }
  if (failure._tag === "KeyNotFound" && failure.onOtherToken && !lies(scope, failure.onOtherToken.uri, pathFields))
    return new KeyNotFound({ uri: failure.uri, token: failure.token, onOtherToken: undefined })
  return failure
}

const tokenFields = pathFields.filter((field) => field !== "object" && field !== "id" && field !== "type")

/** Whether nothing the scope says is said otherwise, or left open, by the URI of what was found. */
const lies = (scope: Pkcs11Uri, text: string, fields: ReadonlyArray<(typeof pathFields)[number]>): boolean => {
  const parsed = parsePkcs11Uri(text)
  if (Result.isFailure(parsed)) return false
  const uri = parsed.success
  return fields.every(
    (field) => scope[field] === undefined || field === "type" || sameAttribute(scope[field], uri[field])
  )
}
