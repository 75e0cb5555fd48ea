/**
 * The text of an Error frame for a failure, limited to the client's scope.
 *
 * Deployed scripts search for fragments of it; the rest is ours. No control characters, never a PIN: other programs log
 * the text.
 * Source: the signing service's protocol, version 1, "Meaning".
 */

import { Result } from "effect"
import { explainNotAllowed, explainNotUsable, explainSettingsNotRead } from "../../messages/explain/p11-server.ts"
import { closedWords } from "../../messages/explain/token-fragments.ts"
import { explain, type Failure } from "../../messages/explain.ts"
import type { OperationNotAllowed, RequestNotUsable, SettingsNotRead } from "../../messages/p11-server.ts"
import { type Pkcs11Uri, parsePkcs11Uri, shownUri } from "../../messages/pkcs11-uri.ts"
import { namesObject, pathFields, sameAttribute } from "../../messages/pkcs11-uri-match.ts"
import { keysFragment, longestServiceText, scopeOfService, tokensFragment } from "../../messages/service-fragments.ts"
import { shownText } from "../../messages/shown-text.ts"
import { type ClosedFile, KeyNotFound, TokenNotFound, TokenUnavailable } from "../../messages/token-refusals.ts"
import type { FrameNotDecoded } from "../../messages/wire/frame1.ts"

export type RequestFailure =
  | Failure
  | FrameNotDecoded
  | OperationNotAllowed
  | RequestNotUsable
  | SettingsNotRead
  /** A response frame, sent as a request. */
  | { readonly _tag: "NoRequest" }
  /** The limit of connections, of the service or of one user, is reached. */
  | { readonly _tag: "Busy" }
  /** The response is longer than the protocol allows. */
  | { readonly _tag: "AnswerTooLong"; readonly bytes: number }

interface ErrorContext {
  /** A signing key was requested. */
  readonly forSigning: boolean
  /** The scope of the client, from the service and its rule. */
  readonly scope: Pkcs11Uri | undefined
}

/** A rule to paste has its own lines: it contains nothing written by a client. */
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

/** The choices, or what is missing: clients of thin-edge print only this text. */
const secondHalf = (failure: RequestFailure, { scope }: ErrorContext): string => {
  switch (failure._tag) {
    case "TokenAmbiguous":
    case "KeyAmbiguous":
      return `. Please select one by passing its URI: ${failure.candidates.toSorted().join(", ")}`
    case "TokenNotFound": {
      const narrowed = scope === undefined ? "" : `; ${scopeOfService} allows '${shownUri(scope)}' only`
      if (failure.onOtherToken !== undefined) return narrowed
      const present =
        failure.present.length === 0
          ? `no token is there${closedWords(failure.closed)}`
          : `${tokensFragment}${failure.present.join(", ")}`
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

/** Whether a refusal concerns a right or a PIN, and is therefore always logged. */
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

/** Fragment for scripts, if the PIN of a request is not the effective one. */
const wrongPin = "The specified PIN is incorrect"

/** Prefix of everything the token side reports. */
const service = "PKCS #11 service failed: "

/**
 * A refusal as a client may read it, without tokens and keys outside of its scope. CryptokiActor sees all tokens
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

/** The first file of the module that its process may not use. */
export type FindClosedFile = () => ClosedFile | undefined

/** With that file, if it may be the reason. */
export const withClosedFile = (find: FindClosedFile | undefined, failure: RequestFailure): RequestFailure => {
  if (failure._tag === "TokenNotFound" && failure.present.length === 0) {
    const closed = find?.()
    return closed === undefined ? failure : new TokenNotFound({ ...failure, closed })
  }
  if (failure._tag === "TokenUnavailable" && failure.code !== undefined) {
    const closed = find?.()
    return closed === undefined ? failure : new TokenUnavailable({ ...failure, closed })
  }
  return failure
}

const tokenFields = pathFields.filter((field) => field !== "object" && field !== "id" && field !== "type")

/** Whether the URI of the found object has every attribute of the scope, with the same value. */
const lies = (scope: Pkcs11Uri, text: string, fields: ReadonlyArray<(typeof pathFields)[number]>): boolean => {
  const parsed = parsePkcs11Uri(text)
  if (Result.isFailure(parsed)) return false
  const uri = parsed.success
  return fields.every(
    (field) => scope[field] === undefined || field === "type" || sameAttribute(scope[field], uri[field])
  )
}
