/** Choosing a scheme, signing and reading a public key through tedge-p11-server. */
import { Effect } from "effect"
import type { ChosenKey, CryptokiProtocol, Signed } from "../../messages/cryptoki.ts"
import { type KeyAlgorithm, schemeOf, signatureSchemes } from "../../messages/signature-scheme.ts"
import { SchemeNotSupported, SigningServiceGarbled, type TokenRefusal } from "../../messages/token-refusals.ts"
import { isWireScheme } from "../../messages/wire/frame1.ts"
import { publicKeyOfWirePem } from "../../messages/wire/wire-pem.ts"
import type { PayloadOf } from "../../runtime/protocol.ts"
import { type SigningService, wireSelector } from "./socket-service.ts"

type Answered<A> = Effect.Effect<A, TokenRefusal>

/** Only schemes are offered that the protocol can ask a signature for. */
export const chooseScheme = (
  service: SigningService,
  { offered, key }: PayloadOf<CryptokiProtocol, "ChooseScheme">
): Answered<ChosenKey> =>
  Effect.gen(function* () {
    const codes = offered.filter(isWireScheme).map((scheme) => signatureSchemes[scheme])
    const request = { _tag: "ChooseSchemeRequest", offered: codes, ...wireSelector(key) } as const
    const answer = yield* service.client.request(request, "ChooseSchemeResponse", service.limits.signMs)
    const scheme = answer.scheme === undefined ? undefined : schemeOf(answer.scheme)
    const algorithm = algorithms[answer.algorithm]
    const isOffered = answer.scheme === undefined || codes.some((code) => code === answer.scheme)
    if (algorithm === undefined || !isOffered)
      return yield* garbled(service, `scheme ${answer.scheme}, algorithm ${answer.algorithm}`)
    return { key, algorithm, scheme }
  })

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
    client.request({ _tag: "SignRequestWithSigScheme", scheme, ...request }, "SignResponse", limits.signMs),
    signature
  ).pipe(
    // Services of thin-edge 1.5 know no scheme; they take the key's preferred one.
    Effect.catchTag("SigningServiceRefused", (refusal) =>
      refusal.message.includes(unknownFrame)
        ? Effect.map(client.request({ _tag: "SignRequest", ...request }, "SignResponse", limits.signMs), signature)
        : Effect.fail(refusal)
    )
  )
}

/** What a service says to a frame it does not know; part of the protocol. */
const unknownFrame = "Failed to parse the received frame"

export const publicKey = (
  service: SigningService,
  { key }: PayloadOf<CryptokiProtocol, "PublicKey">
): Answered<Uint8Array> =>
  Effect.gen(function* () {
    const request = { _tag: "GetPublicKeyPemRequest", uri: wireSelector(key).uri } as const
    const { pem } = yield* service.client.request(request, "GetPublicKeyPemResponse", service.limits.signMs)
    return publicKeyOfWirePem(pem) ?? (yield* garbled(service, "no public key in the PEM"))
  })

const garbled = ({ socketPath }: SigningService, detail: string) =>
  Effect.fail(new SigningServiceGarbled({ socketPath, detail }))
