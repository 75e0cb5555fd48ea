/**
 * Listing and changing tokens and keys through tedge-p11-server.
 *
 * PIN latches are cleared without the service: version 1 of its protocol does not support that, but lists the tokens,
 * and the records are files on this machine, for users who may change them.
 */
import { Effect, Result } from "effect"
import type {
  CryptokiProtocol,
  KeyDescription,
  KeySelector,
  TokenDescription,
  TokenSelector
} from "../../../messages/cryptoki.ts"
import { type Pkcs11Uri, parsePkcs11Uri, shownUri } from "../../../messages/pkcs11-uri.ts"
import { matchesToken } from "../../../messages/pkcs11-uri-match.ts"
import { TokenAmbiguous, TokenNotFound, type TokenRefusal } from "../../../messages/token-refusals.ts"
import type { WireKey, WireKeyParameters } from "../../../messages/wire/frame1.ts"
import { publicKeyOfWirePem } from "../../../messages/wire/wire-pem.ts"
import type { PayloadOf } from "../../../runtime/protocol.ts"
import { clearLatchOfService } from "../pin/clear-latch.ts"
import type { LatchPlace } from "../pin/latch-files.ts"
import { latchStore } from "../pin/latch-store.ts"
import { identityOf } from "../pkcs11/token-facts.ts"
import {
  invalidResponse,
  pinPlace,
  type SigningService,
  uriFromService,
  wireSelector,
  wireSelectorWithUri
} from "./socket-client.ts"

type Answered<A> = Effect.Effect<A, TokenRefusal>

export const listTokens = (service: SigningService): Answered<ReadonlyArray<TokenDescription>> =>
  Effect.gen(function* () {
    const { client, limits } = service
    const { tokens } = yield* client.request({ _tag: "ListTokensRequest" }, "ListTokensResponse", limits.listMs)
    return yield* Effect.forEach(tokens, ({ slot, uri, ...facts }) =>
      Effect.map(uriFromService(service, uri), (parsed) => ({ ...facts, slot: Number(slot), uri: parsed }))
    )
  })

export const listKeys = (service: SigningService, token: KeySelector): Answered<ReadonlyArray<KeyDescription>> =>
  Effect.gen(function* () {
    const request = { _tag: "ListKeysRequest", ...wireSelector(token) } as const
    const { keys } = yield* service.client.request(request, "ListKeysResponse", service.limits.listMs, pinPlace(token))
    return keys.flatMap((key) => keyDescription(key) ?? [])
  })

export const createKey = (
  service: SigningService,
  { token, parameters, label, id }: PayloadOf<CryptokiProtocol, "CreateKey">
): Answered<{ readonly publicKey: Uint8Array; readonly uri: Pkcs11Uri }> =>
  Effect.gen(function* () {
    const key: WireKeyParameters["key"] =
      parameters.type === "rsa"
        ? { type: "rsa", bits: parameters.bits }
        : { type: "ec", curve: parameters.curve === "p256" ? 256 : 384 }
    const request = { _tag: "CreateKeyRequest", params: { key, label, id }, ...wireSelectorWithUri(token) } as const
    const created = yield* service.client.request(
      request,
      "CreateKeyResponse",
      service.limits.generateMs,
      pinPlace(token)
    )
    const publicKey = publicKeyOfWirePem(created.pem)
    if (publicKey === undefined) return yield* invalidResponse(service, "no public key in the PEM")
    return { publicKey, uri: yield* uriFromService(service, created.uri) }
  })

export const initToken = (
  service: SigningService,
  { token, label, soPin, pin }: PayloadOf<CryptokiProtocol, "InitToken">
): Answered<TokenDescription> =>
  Effect.gen(function* () {
    const request = { _tag: "InitTokenRequest", label, soPin, pin, uri: wireSelector(token).uri } as const
    const { uri } = yield* service.client.request(request, "InitTokenResponse", service.limits.changeMs)
    return yield* tokenNamed(service, uri)
  })

export const changePin = (
  service: SigningService,
  { token, newPin, by }: PayloadOf<CryptokiProtocol, "ChangePin">
): Answered<TokenDescription> =>
  Effect.gen(function* () {
    const { uri, pin: oldPin } = wireSelector(token)
    const soPin = by.kind === "reset" ? by.soPin : undefined
    const request = { _tag: "ChangePinRequest", uri, newPin, oldPin, soPin, reset: by.kind === "reset" } as const
    const ownPin = by.kind === "reset" ? token.pinFrom : pinPlace(token)
    const changed = yield* service.client.request(request, "ChangePinResponse", service.limits.changeMs, ownPin)
    return yield* tokenNamed(service, changed.uri)
  })

export const deleteKey = (service: SigningService, key: KeySelector): Answered<ReadonlyArray<Pkcs11Uri>> =>
  Effect.gen(function* () {
    const request = { _tag: "DeleteKeyRequest", ...wireSelectorWithUri(key) } as const
    const { deleted } = yield* service.client.request(
      request,
      "DeleteKeyResponse",
      service.limits.changeMs,
      pinPlace(key)
    )
    return yield* Effect.forEach(deleted, (uri) => uriFromService(service, uri))
  })

/** The response to a change is only a URI; its attributes contain the rest, except the slot. */
const tokenNamed = (service: SigningService, text: string): Answered<TokenDescription> =>
  Effect.map(uriFromService(service, text), (uri) => ({
    slot: uri.slotId ?? 0,
    label: uri.token ?? "",
    model: uri.model ?? "",
    manufacturer: uri.manufacturer ?? "",
    serial: uri.serial ?? "",
    initialized: true,
    uri
  }))

/** Undefined for keys that no command of ours can use: thin-edge's service lists keys of every type, and some without URI. */
const keyDescription = (key: WireKey): KeyDescription | undefined => {
  const { class: kind, keyType, label } = key
  const uri = parsePkcs11Uri(key.uri)
  const isKind = kind === "private" || kind === "public"
  const isType = keyType === "RSA" || keyType === "EC"
  if (!isKind || !isType || !/^([0-9a-fA-F]{2})*$/.test(key.id) || Result.isFailure(uri)) return undefined
  return { kind, keyType, label, id: Uint8Array.from(Buffer.from(key.id, "hex")), uri: uri.success }
}

export const clearLatch = (
  service: SigningService,
  latches: LatchPlace,
  selector: TokenSelector
): Effect.Effect<boolean, TokenRefusal> =>
  Effect.gen(function* () {
    const token = yield* onlyToken(selector, yield* listTokens(service))
    const latched = { identity: identityOf(token), name: token.label, uri: shownUri(token.uri) }
    return yield* clearLatchOfService(latchStore(latches), latches.directory, latched)
  })

const onlyToken = ({ uri = {} }: TokenSelector, listed: ReadonlyArray<TokenDescription>) => {
  const present = listed.filter(({ initialized }) => initialized)
  const [token, ...others] = present.filter((one) => matchesToken(uri, one))
  const uris = (tokens: ReadonlyArray<TokenDescription>) => tokens.map((one) => shownUri(one.uri))
  if (token === undefined) return Effect.fail(new TokenNotFound({ uri: shownUri(uri), present: uris(present) }))
  return others.length === 0
    ? Effect.succeed(token)
    : Effect.fail(new TokenAmbiguous({ candidates: uris([token, ...others]) }))
}
