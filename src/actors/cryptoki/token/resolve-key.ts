/**
 * Finds the private key a request selects, and its public key, in any object of the token that reports it.
 *
 * Several private keys may match; the first the token lists is used, with a warning. A URI whose `type` is not
 * `private` cannot name a signing key.
 * Source: thin-edge hsm-support, "Key selection"; RFC 7512.
 */
import { Effect } from "effect"
import type { KeyDescription } from "../../../messages/cryptoki.ts"
import { type Pkcs11Uri, shownUri } from "../../../messages/pkcs11-uri.ts"
import { matchesObject, namesObject } from "../../../messages/pkcs11-uri-match.ts"
import { KeyNotFound, SchemeNotSupported, UriNotUsable } from "../../../messages/token-refusals.ts"
import type { HostFault } from "../host/faults.ts"
import { CKK_EC, CKK_RSA } from "../pkcs11/pkcs11-constants.ts"
import { certificateKeyInfo, subjectPublicKeyInfo } from "../pkcs11/public-key.ts"
import { keyTypeName, type SigningKey, signingKey, signingKeyOf } from "../pkcs11/signature.ts"
import { type Token, tokenName, tokenUri } from "../pkcs11/token-facts.ts"
import type { PublicKeyMaterial, TokenObject } from "../pkcs11/values.ts"
import type { FoundKey, TokenConnection, TokenTools } from "./session.ts"

/** Why no key was found, or none that can sign. */
type KeyRefusal = KeyNotFound | UriNotUsable | SchemeNotSupported | HostFault

export const searchKey = (
  tools: TokenTools,
  connection: TokenConnection,
  uri: Pkcs11Uri,
  publicKey: Uint8Array | undefined
): Effect.Effect<FoundKey, KeyRefusal> =>
  Effect.gen(function* () {
    if (uri.type !== undefined && uri.type !== "private")
      return yield* new UriNotUsable({
        uri: shownUri(uri),
        reason: `a signing key has type=private, not type=${uri.type}`
      })
    const token = tokenName(connection.token)
    const objects = yield* listObjects(tools, connection, "private", uri.id)
    const selected = firstKey(uri, objects)
    const shown = (one: TokenObject) => shownUri(keyUri(connection.token, one))
    if (selected === undefined) {
      const other = objects.find((one) => one.kind === "private" && !one.maySign && matchesObject(uri, one))
      return yield* new KeyNotFound({
        uri: namesObject(uri) ? shownUri(uri) : undefined,
        token,
        onOtherToken: undefined,
        ...(other && { mayNotSign: shown(other) })
      })
    }
    const { object, others } = publicKey ? yield* fitting(tools, connection, selected, publicKey) : selected
    if (others.length > 0)
      yield* tools.publish({ _tag: "SeveralKeysMatched", taken: shown(object), others: others.map(shown) })
    const key = yield* keyFacts(tools, connection, object, publicKey)
    if (key === undefined)
      return yield* new SchemeNotSupported({ token, scheme: "any", keyType: keyTypeName(object, key) })
    const found = keyUri(connection.token, object)
    return { object, uri: found, reference: { ...found, type: "private" }, key, pssIndex: 0 }
  })

/** Moves the matching one with this public key to the front; unchanged if none has it. */
const fitting = (
  tools: TokenTools,
  connection: TokenConnection,
  selected: SelectedKey,
  publicKey: Uint8Array
): Effect.Effect<SelectedKey, HostFault> =>
  Effect.gen(function* () {
    if (selected.others.length === 0) return selected
    const all = [selected.object, ...selected.others]
    for (const object of all) {
      const half = yield* publicHalf(tools, connection, object)
      if (half && Buffer.compare(half, publicKey) === 0)
        return { object, others: all.filter((other) => other !== object) }
    }
    return selected
  })

/**
 * The private object reports an EC key's curve; an RSA key's length is in its modulus. Some hide even that, and the
 * token may not report it at all: then the asker's public key is assumed, and the first signature verifies it.
 */
const keyFacts = (
  tools: TokenTools,
  connection: TokenConnection,
  object: TokenObject,
  publicKey: Uint8Array | undefined
): Effect.Effect<SigningKey | undefined, HostFault> =>
  Effect.gen(function* () {
    const isRsa = object.keyType === CKK_RSA
    const material =
      isRsa || object.curve === undefined
        ? yield* readMaterial(tools, connection, object)
        : { ...nothing, curve: object.curve }
    const isTold = (isRsa ? material.modulus : (object.curve ?? material.curve)) !== undefined
    if (isTold || (object.keyType !== CKK_EC && !isRsa)) return signingKey(object, material)
    const info = (yield* publicHalf(tools, connection, object)) ?? publicKey
    return info && signingKeyOf(info)
  })

const nothing = {
  curve: undefined,
  point: undefined,
  modulus: undefined,
  exponent: undefined,
  publicKeyInfo: undefined
}

interface SelectedKey {
  readonly object: TokenObject
  readonly others: ReadonlyArray<TokenObject>
}

/** The first matching private key that may sign; undefined if there is none. */
export const firstKey = (uri: Pkcs11Uri, objects: ReadonlyArray<TokenObject>): SelectedKey | undefined => {
  const [object, ...others] = objects.filter(
    (candidate) => candidate.kind === "private" && candidate.maySign && matchesObject(uri, candidate)
  )
  return object && { object, others }
}

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

/**
 * SubjectPublicKeyInfo, DER; undefined if no object of the token reports it: first the public object with the same id
 * (without an id: the same label), then the private one itself, then a certificate with the same id, often the only one that
 * vendors' tools store beside the key.
 */
export const publicHalf = (
  tools: TokenTools,
  connection: TokenConnection,
  object: TokenObject
): Effect.Effect<Uint8Array | undefined, HostFault> =>
  Effect.gen(function* () {
    const objects = yield* listObjects(tools, connection, "public", object.id)
    const partner = objects.find(
      ({ keyType, label }) => keyType === object.keyType && (object.id.length > 0 || label === object.label)
    )
    const half = yield* readPublicHalf(tools, connection, partner ? [partner, object] : [object])
    const { id, label } = object
    if (half || (id.length === 0 && label === "")) return half
    const named = id.length > 0 ? { id, label: undefined } : { id: undefined, label }
    const asked = { slot: connection.token.facts.slot, ...named }
    const certificates = yield* connection.host.call("certificates", asked, tools.settings.limits.listMs)
    return certificates.map(certificateKeyInfo).find((info) => info !== undefined)
  })

/** Of the first object that reports enough. */
export const readPublicHalf = (
  tools: TokenTools,
  connection: TokenConnection,
  objects: ReadonlyArray<TokenObject>
): Effect.Effect<Uint8Array | undefined, HostFault> =>
  Effect.gen(function* () {
    for (const object of objects) {
      const info = subjectPublicKeyInfo(yield* readMaterial(tools, connection, object))
      if (info) return info
    }
    return undefined
  })

export const listObjects = (
  tools: TokenTools,
  connection: TokenConnection,
  kind: TokenObject["kind"],
  id: Uint8Array | undefined,
  uses = false
): Effect.Effect<ReadonlyArray<TokenObject>, HostFault> =>
  connection.host.call("objects", { slot: connection.token.facts.slot, kind, id, uses }, tools.settings.limits.listMs)

const readMaterial = (
  tools: TokenTools,
  connection: TokenConnection,
  { handle }: TokenObject
): Effect.Effect<PublicKeyMaterial, HostFault> =>
  connection.host.call("material", { slot: connection.token.facts.slot, handle }, tools.settings.limits.listMs)
