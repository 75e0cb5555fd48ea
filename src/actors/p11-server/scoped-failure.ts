/**
 * A refusal as a client may read it: no token and no key that lies outside of its scope is named.
 *
 * CryptokiActor sees all tokens of the module, as each request is narrowed before it gets there.
 */
import { Result } from "effect"
import { type Pkcs11Uri, parsePkcs11Uri } from "../../messages/pkcs11-uri.ts"
import { pathFields, sameAttribute } from "../../messages/pkcs11-uri-match.ts"
import { KeyNotFound, TokenNotFound } from "../../messages/token-refusals.ts"
import type { RequestFailure } from "./frame-errors.ts"

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
