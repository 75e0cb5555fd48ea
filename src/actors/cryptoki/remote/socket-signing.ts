/** Choosing a scheme and signing through tedge-p11-server. */
import { Effect } from "effect"
import type { ChosenKey, CryptokiProtocol, KeySelector, Signed } from "../../../messages/cryptoki.ts"
import { isTooOld, lacksScheme } from "../../../messages/service-fragments.ts"
import {
  type KeyAlgorithm,
  type SignatureScheme,
  schemeOf,
  signatureSchemes
} from "../../../messages/signature-scheme.ts"
import { SchemeNotSupported, SigningServiceGarbled, type TokenRefusal } from "../../../messages/token-refusals.ts"
import { isWireScheme } from "../../../messages/wire/frame1.ts"
import type { PayloadOf } from "../../../runtime/protocol.ts"
import { pinPlace, type SigningService, wireSelector } from "./socket-client.ts"
import { keyOfCertificate } from "./socket-key.ts"

type Answered<A> = Effect.Effect<A, TokenRefusal>

/**
 * Only schemes are offered that the protocol can ask a signature for.
 *
 * thin-edge's service refuses an offer without a scheme of the key, the empty one too; so all are offered where only
 * the algorithm is wanted.
 */
export const chooseScheme = (
  service: SigningService,
  { offered, key: asked, publicKey }: PayloadOf<CryptokiProtocol, "ChooseScheme">
): Answered<ChosenKey> =>
  Effect.gen(function* () {
    const key = publicKey === undefined ? asked : yield* keyOfCertificate(service, asked, publicKey)
    const usable = offered.filter(isWireScheme)
    if (usable.length === 0)
      return { key, algorithm: (yield* askScheme(service, key, wireSchemes)).algorithm, scheme: undefined }
    return yield* askScheme(service, key, usable).pipe(
      Effect.map((chosen) => ({ key, ...chosen })),
      Effect.catchTag("SigningServiceRefused", (refusal) =>
        lacksScheme(refusal)
          ? Effect.map(askScheme(service, key, wireSchemes), ({ algorithm }) => ({ key, algorithm, scheme: undefined }))
          : Effect.fail(refusal)
      )
    )
  })

const askScheme = (
  service: SigningService,
  key: KeySelector,
  offered: ReadonlyArray<SignatureScheme>
): Answered<Omit<ChosenKey, "key">> =>
  Effect.gen(function* () {
    const codes = offered.map((scheme) => signatureSchemes[scheme])
    const request = { _tag: "ChooseSchemeRequest", offered: codes, ...wireSelector(key) } as const
    const answer = yield* service.client.request(request, "ChooseSchemeResponse", service.limits.signMs, pinPlace(key))
    const scheme = answer.scheme === undefined ? undefined : schemeOf(answer.scheme)
    const algorithm = algorithms[answer.algorithm]
    const isOffered = answer.scheme === undefined || codes.some((code) => code === answer.scheme)
    if (algorithm === undefined || !isOffered)
      return yield* garbled(service, `scheme ${answer.scheme}, algorithm ${answer.algorithm}`)
    return { algorithm, scheme }
  })

const isScheme = (name: string): name is SignatureScheme => name in signatureSchemes
const wireSchemes = Object.keys(signatureSchemes).filter(isScheme).filter(isWireScheme)

/** TLS SignatureAlgorithm (RFC 5246, 7.4.1.4.1). */
const algorithms: Readonly<Record<number, KeyAlgorithm>> = { 1: "RSA", 3: "ECDSA" }

export const sign = (
  { client, limits }: SigningService,
  { key, scheme, message }: PayloadOf<CryptokiProtocol, "Sign">
): Answered<Signed> => {
  if (scheme !== undefined && !isWireScheme(scheme))
    return Effect.fail(new SchemeNotSupported({ token: "tedge-p11-server", scheme, keyType: "any" }))
  const request = { toSign: message, ...wireSelector(key) }
  const signature = (frame: { readonly signature: Uint8Array }): Signed => ({
    signature: frame.signature,
    key: undefined
  })
  return Effect.map(
    client.request(
      { _tag: "SignRequestWithSigScheme", scheme, ...request },
      "SignResponse",
      limits.signMs,
      pinPlace(key)
    ),
    signature
  ).pipe(
    // Services of thin-edge 1.5 know no scheme; they take the key's preferred one.
    Effect.catchTag("SigningServiceRefused", (refusal) =>
      isTooOld(refusal)
        ? Effect.map(
            client.request({ _tag: "SignRequest", ...request }, "SignResponse", limits.signMs, pinPlace(key)),
            signature
          )
        : Effect.fail(refusal)
    )
  )
}

const garbled = ({ socketPath }: SigningService, detail: string) =>
  Effect.fail(new SigningServiceGarbled({ socketPath, detail }))
