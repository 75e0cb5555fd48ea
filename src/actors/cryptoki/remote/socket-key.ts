/**
 * Public keys through tedge-p11-server, and which key is the certificate's if several match.
 *
 * A service that uses the first matching key may use another one after a restart. The client lists them all,
 * requests each public key, and from then on names the right one by its id.
 */
import { Effect, Result } from "effect"
import type { CryptokiProtocol, KeyDescription, KeySelector } from "../../../messages/cryptoki.ts"
import { matchesObject } from "../../../messages/pkcs11-uri-match.ts"
import { forbids, isTooOld } from "../../../messages/service-fragments.ts"
import type { TokenRefusal } from "../../../messages/token-refusals.ts"
import { publicKeyOfWirePem } from "../../../messages/wire/wire-pem.ts"
import type { PayloadOf } from "../../../runtime/protocol.ts"
import { invalidResponse, type SigningService, wireSelector } from "./socket-client.ts"
import { listKeys } from "./socket-management.ts"

export const publicKey = (
  service: SigningService,
  { key }: PayloadOf<CryptokiProtocol, "PublicKey">
): Effect.Effect<Uint8Array, TokenRefusal> =>
  Effect.gen(function* () {
    const request = { _tag: "GetPublicKeyPemRequest", uri: wireSelector(key).uri } as const
    const { pem } = yield* service.client.request(request, "GetPublicKeyPemResponse", service.limits.signMs)
    return publicKeyOfWirePem(pem) ?? (yield* invalidResponse(service, "no public key in the PEM"))
  })

/**
 * The requested key, narrowed by id if several match and one has this public key. Unchanged if
 * that cannot be found out: the service then uses the first, as documented.
 */
export const keyOfCertificate = (
  service: SigningService,
  asked: KeySelector,
  spki: Uint8Array
): Effect.Effect<KeySelector> =>
  Effect.gen(function* () {
    if (withoutLists.has(service)) return asked
    const listed = yield* Effect.result(listKeys(service, asked))
    if (Result.isFailure(listed)) {
      const { failure } = listed
      // Too old, or forbidden by its rules: not requested again at each connection, which would fill its log.
      if (failure._tag === "SigningServiceRefused" && (isTooOld(failure) || forbids(failure, "list")))
        withoutLists.add(service)
      return asked
    }
    const { type: _type, ...wanted } = asked.uri ?? {}
    const candidates = listed.success.filter((key) => key.kind === "private" && matchesObject(wanted, key))
    if (candidates.length < 2) return asked
    for (const one of candidates) {
      const named = narrowed(asked, one)
      const half = yield* Effect.result(publicKey(service, { key: named }))
      if (Result.isSuccess(half) && Buffer.compare(half.success, spki) === 0) return named
    }
    return asked
  })

const withoutLists = new WeakSet<SigningService>()

/** All attributes the service reported; a key without an id has its label alone. */
const narrowed = (asked: KeySelector, { id, uri }: KeyDescription): KeySelector => ({
  ...asked,
  uri: {
    ...asked.uri,
    ...(uri.token !== undefined && { token: uri.token }),
    ...(uri.serial !== undefined && { serial: uri.serial }),
    ...(uri.object !== undefined && { object: uri.object }),
    ...(id.length > 0 && { id })
  }
})
