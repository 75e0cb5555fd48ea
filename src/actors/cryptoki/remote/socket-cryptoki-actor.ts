/**
 * CryptokiActor in socket mode: the same messages, forwarded to tedge-p11-server.
 *
 * One connection per request, many at once; no state between them. The service has its own PIN and scope,
 * so only what the caller names is sent. The protocol does not report which key was chosen: a chosen key is named as requested.
 */
import { Effect } from "effect"
import {
  type ChosenKey,
  type CryptokiProtocol,
  type KeySelector,
  requestTags,
  type Signed
} from "../../../messages/cryptoki.ts"
import { isTooOld, lacksScheme } from "../../../messages/service-fragments.ts"
import {
  allSchemes,
  type KeyAlgorithm,
  type SignatureScheme,
  schemeOf,
  signatureSchemes
} from "../../../messages/signature-scheme.ts"
import { SchemeNotSupported, type TokenRefusal } from "../../../messages/token-refusals.ts"
import { isWireScheme } from "../../../messages/wire/frame1.ts"
import type { Behaviour } from "../../../runtime/actor.ts"
import type { PayloadOf } from "../../../runtime/protocol.ts"
import type { LatchPlace } from "../pin/latch-files.ts"
import {
  defaultSocketLimits,
  invalidResponse,
  pinPlace,
  type SigningService,
  type SocketLimits,
  socketClient,
  wireSelector
} from "./socket-client.ts"
import { keyOfCertificate, publicKey } from "./socket-key.ts"
import { changePin, clearLatch, createKey, deleteKey, initToken, listKeys, listTokens } from "./socket-management.ts"

interface SocketCryptokiSettings {
  readonly socketPath: string
  readonly limits?: SocketLimits
  /** Where a service on this machine stores refused PINs. */
  readonly latches: LatchPlace
  /** An immediate connection, for socket activation: the service loads its module before the caller waits for it. */
  readonly wakesService?: boolean
}

export const socketCryptokiBehaviour = ({
  socketPath,
  limits = defaultSocketLimits,
  latches,
  wakesService = false
}: SocketCryptokiSettings): Behaviour<CryptokiProtocol> => {
  const owners = new Set([0, process.getuid?.(), latches.owner?.uid].filter((uid) => uid !== undefined))
  const service = { socketPath, limits, client: socketClient(socketPath, limits, owners) }
  return {
    init: () =>
      Effect.as(wakesService ? Effect.forkScoped(service.client.wake) : Effect.void, {
        Ping: () => Effect.void,
        ChooseScheme: (request) => chooseScheme(service, request),
        Sign: (request) => sign(service, request),
        PublicKey: (request) => publicKey(service, request),
        ListTokens: () => listTokens(service),
        ListKeys: ({ token }) => listKeys(service, token),
        CreateKey: (request) => createKey(service, request),
        InitToken: (request) => initToken(service, request),
        ChangePin: (request) => changePin(service, request),
        DeleteKey: ({ key }) => deleteKey(service, key),
        ClearPinLatch: ({ token }) => clearLatch(service, latches, token)
      }),
    concurrent: { tags: requestTags, inFlight: 64 }
  }
}

type Answered<A> = Effect.Effect<A, TokenRefusal>

/**
 * Only schemes that the protocol supports are offered.
 *
 * thin-edge's service refuses an offer without a scheme of the key, even an empty one; so all are offered if only
 * the algorithm is wanted.
 */
const chooseScheme = (
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
      return yield* invalidResponse(service, `scheme ${answer.scheme}, algorithm ${answer.algorithm}`)
    return { algorithm, scheme }
  })

const wireSchemes = allSchemes.filter(isWireScheme)

/** TLS SignatureAlgorithm (RFC 5246, 7.4.1.4.1). */
const algorithms: Readonly<Record<number, KeyAlgorithm>> = { 1: "RSA", 3: "ECDSA" }

const sign = (
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
    // Services of thin-edge 1.5 know no scheme; they use the key's preferred one.
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
