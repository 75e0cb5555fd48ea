/**
 * Whether a certificate matches the device's private key, as far as that can be checked without the cloud.
 *
 * The handshake checks it too, before it sends anything; but then the old connection is already closed.
 */
import { createPrivateKey, type KeyObject } from "node:crypto"
import { Effect } from "effect"
import type { KeySelector } from "../../messages/cryptoki.ts"
import { KeyMismatch, SigningFailed } from "../../messages/mqtt.ts"
import { shownUri } from "../../messages/pkcs11-uri.ts"
import type { CloudSettings } from "../../messages/settings/resolved-settings.ts"
import { allSchemes } from "../../messages/signature-scheme.ts"
import type { TokenRefusal } from "../../messages/token-refusals.ts"
import { readRegularFile } from "../../platform/files/read-file.ts"
import { certificateIn } from "../../platform/tls/tls-certificates.ts"
import type { AskFailed } from "../../runtime/errors.ts"
import type { ConnectPeers } from "./peers.ts"

/** Fails if the certificate of this file is known to be for another key. */
export type FitsKey = (certPath: string) => Effect.Effect<void, KeyMismatch>

/** Unknown. */
export const fitsAny: FitsKey = () => Effect.void

export const fitsFileKey =
  (keyPath: string): FitsKey =>
  (certPath) =>
    Effect.suspend(() => {
      const key = readKey(keyPath)
      const isOurs = key === undefined || certificateIn(certPath)?.checkPrivateKey(key)
      return isOurs ? Effect.void : Effect.fail(new KeyMismatch({ certPath, key: keyPath }))
    })

/** Asks the token once, as the handshake will. Fails if the handshake would fail. */
export const fitsTokenKey = (
  { cryptoki }: ConnectPeers,
  { cloud }: CloudSettings,
  host: string
): Effect.Effect<FitsKey, SigningFailed> =>
  Effect.gen(function* () {
    const { key } = cloud.device
    const chosen = yield* cryptoki.ask("ChooseScheme", { offered: allSchemes, key }, { within: tokenWithin })
    // Not every token returns the public key.
    const publicHalf = (of: KeySelector) =>
      Effect.option(cryptoki.ask("PublicKey", { key: of }, { within: tokenWithin }))
    const first = yield* publicHalf(chosen.key)
    if (first._tag === "None") return fitsAny
    // Several keys may match: the handshake uses that of the certificate.
    // During a key change the settings name the new key: the current certificate's is on the same token.
    const isThere = (spki: Uint8Array) =>
      Effect.flatMap(isAmong(key, spki), (found) =>
        found || !namesKey(key) ? Effect.succeed(found) : isAmong(withoutName(key), spki)
      )
    const isAmong = (of: KeySelector, spki: Uint8Array) =>
      cryptoki.ask("ChooseScheme", { offered: allSchemes, key: of, publicKey: spki }, { within: tokenWithin }).pipe(
        Effect.flatMap((other) => publicHalf(other.key)),
        Effect.map((half) => half._tag === "None" || Buffer.compare(half.value, spki) === 0),
        Effect.orElseSucceed(() => false)
      )
    const fits: FitsKey = (certPath) =>
      Effect.gen(function* () {
        const there = certificateIn(certPath)?.publicKey.export({ format: "der", type: "spki" })
        if (there === undefined || there.equals(first.value)) return
        if (yield* isThere(new Uint8Array(there))) return
        return yield* new KeyMismatch({ certPath, key: shownUri(key.uri ?? {}) })
      })
    return fits
  }).pipe(
    Effect.catch((cause) =>
      mayPass(cause) ? Effect.succeed(fitsAny) : Effect.fail(new SigningFailed({ host, cause }))
    )
  )

const namesKey = ({ uri }: KeySelector): boolean => uri?.object !== undefined || uri?.id !== undefined

const withoutName = ({ uri = {}, ...selector }: KeySelector): KeySelector => {
  const { object: _object, id: _id, ...token } = uri
  return { ...selector, uri: token }
}

type MayPass = Extract<TokenRefusal | AskFailed, { readonly _tag: (typeof passing)[number] }>

/** The mapper has the token now, and some tokens serve one program at a time: asked again when it has stopped. */
const mayPass = (cause: TokenRefusal | AskFailed): cause is MayPass => passing.some((tag) => tag === cause._tag)

const passing = [
  "TokenUnavailable",
  "LoginDelayed",
  "TokenTimeout",
  "TokenHostDied",
  "HostNotStarted",
  "TokenActorFailed",
  "TokenError",
  "AskTimeout",
  "PeerDown",
  "Undeliverable"
] as const

/** Longer than the token's own limits, whose refusal is more specific. */
const tokenWithin = "70 seconds"

/** Undefined: unreadable, which is not the certificate's fault. */
const readKey = (path: string): KeyObject | undefined => {
  try {
    return createPrivateKey(readRegularFile(path))
  } catch {
    return undefined
  }
}
