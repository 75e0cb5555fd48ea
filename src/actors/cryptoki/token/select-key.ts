/**
 * Chooses the key a URI means, among the objects of one token.
 *
 * Several private keys may match; the first the token lists is taken, with a warning. A URI whose `type` is not
 * `private` cannot name a signing key.
 * Source: thin-edge hsm-support, "Key selection"; RFC 7512.
 */
import type { KeyDescription } from "../../../messages/cryptoki.ts"
import type { Pkcs11Uri } from "../../../messages/pkcs11-uri.ts"
import { shownUri } from "../../../messages/pkcs11-uri.ts"
import { matchesObject } from "../../../messages/pkcs11-uri-match.ts"
import { UriNotUsable } from "../../../messages/token-refusals.ts"
import { CKK_EC, CKK_RSA } from "../pkcs11/pkcs11-constants.ts"
import { type Token, tokenUri } from "../pkcs11/token-facts.ts"
import type { TokenObject } from "../pkcs11/values.ts"

export interface SelectedKey {
  readonly object: TokenObject
  readonly others: ReadonlyArray<TokenObject>
}

/** The first private key that may sign and matches; undefined when there is none. */
export const firstKey = (uri: Pkcs11Uri, objects: ReadonlyArray<TokenObject>): SelectedKey | undefined => {
  const [object, ...others] = objects.filter(
    (candidate) => candidate.kind === "private" && candidate.maySign && matchesObject(uri, candidate)
  )
  return object && { object, others }
}

/** A private key that matches, and may not sign. */
export const keyThatMayNotSign = (uri: Pkcs11Uri, objects: ReadonlyArray<TokenObject>): TokenObject | undefined =>
  objects.find((one) => one.kind === "private" && !one.maySign && matchesObject(uri, one))

/** Why the URI cannot name a key that signs; undefined when it can. */
export const notForSigning = (uri: Pkcs11Uri): UriNotUsable | undefined =>
  uri.type === undefined || uri.type === "private"
    ? undefined
    : new UriNotUsable({ uri: shownUri(uri), reason: `a signing key has type=private, not type=${uri.type}` })

/** Token and key, in the order and with the attributes thin-edge writes. */
export const keyUri = (token: Token, { id, label }: Pick<TokenObject, "id" | "label">): Pkcs11Uri => ({
  ...tokenUri(token),
  ...(id.length > 0 ? { id } : {}),
  ...(label === "" ? {} : { object: label })
})

/** Undefined for an object that is neither RSA nor EC. */
export const describeKey = (token: Token, object: TokenObject): KeyDescription | undefined => {
  const keyType = object.keyType === CKK_RSA ? "RSA" : object.keyType === CKK_EC ? "EC" : undefined
  if (keyType === undefined) return undefined
  const { kind, label, id, otherUses } = object
  return { kind, keyType, label, id, uri: keyUri(token, object), ...(otherUses === undefined ? {} : { otherUses }) }
}
