/**
 * Requests without a signing key: lists of objects in the scope, and changes of a token. A URI outside the scope is
 * refused, never adapted.
 */

import { Effect, Result, type Semaphore } from "effect"
import type { KeyParameters, TokenDescription } from "../../messages/cryptoki.ts"
import { RequestNotUsable } from "../../messages/p11-server.ts"
import { type Pkcs11Uri, parsePkcs11Uri, shownUri } from "../../messages/pkcs11-uri.ts"
import { freeSlot, isInScope, matchesObject, matchesToken } from "../../messages/pkcs11-uri-match.ts"
import { UriNotUsable } from "../../messages/token-refusals.ts"
import type { WireKeyParameters } from "../../messages/wire/frame1.ts"
import { wirePem } from "../../messages/wire/wire-pem.ts"
import { type Answer, type Fields, type RequestContext, refuseOutside, selected, within } from "./request-context.ts"

export const createKey = (context: RequestContext, request: Fields<"CreateKeyRequest">): Answer =>
  Effect.gen(function* () {
    const token = yield* selected(context, request, "changes")
    const { key, label, id = token.uri.id } = request.params
    yield* refuseOutside(context, { object: label, ...(id === undefined ? {} : { id }) })
    const parameters = yield* keyParameters(key)
    // Only root, the service's own user, and clients with a rule for this label may repeat it: a second key with the label of the
    // device's could be confused with it.
    const { isUnlimited, scope } = context.access
    const onlyNewLabel = !isUnlimited && scope?.object !== label
    const payload = { token, parameters, label, id, onlyNewLabel }
    const created = yield* context.cryptoki.ask("CreateKey", payload, { within: within.generate })
    return { _tag: "CreateKeyResponse", pem: wirePem(created.publicKey) ?? "", uri: shownUri(created.uri) }
  })

export const changePin = (context: RequestContext, request: Fields<"ChangePinRequest">): Answer =>
  Effect.gen(function* () {
    const { newPin, oldPin, soPin, reset } = request
    const token = yield* selected(context, { uri: request.uri, pin: oldPin }, "changes")
    if (reset && soPin === undefined) return yield* notUsable("SO PIN missing", undefined)
    const { countedAs } = context.access
    // The SO PIN is the client's too.
    const meant = reset && countedAs !== undefined ? { ...token, client: countedAs } : token
    const by = reset && soPin !== undefined ? ({ kind: "reset", soPin } as const) : ({ kind: "change" } as const)
    const changed = yield* context.cryptoki.ask("ChangePin", { token: meant, newPin, by }, { within: within.change })
    return { _tag: "ChangePinResponse", uri: shownUri(changed.uri) }
  })

export const deleteKey = (context: RequestContext, request: Fields<"DeleteKeyRequest">): Answer =>
  Effect.gen(function* () {
    const key = yield* selected(context, request, "changes")
    // Idempotent for scripts: a missing key counts as deleted.
    const deleted = yield* context.cryptoki
      .ask("DeleteKey", { key }, { within: within.change })
      .pipe(Effect.catchTag("KeyNotFound", () => Effect.succeed([])))
    return { _tag: "DeleteKeyResponse", deleted: deleted.map(shownUri) }
  })

const keyParameters = (key: WireKeyParameters["key"]): Effect.Effect<KeyParameters, RequestNotUsable> => {
  if (key.type === "ec") {
    const curve = curves[key.curve]
    return curve === undefined ? notUsable("curve", key.curve) : Effect.succeed({ type: "ecdsa", curve })
  }
  const { bits } = key
  return bits === 2048 || bits === 3072 || bits === 4096
    ? Effect.succeed({ type: "rsa", bits })
    : notUsable("rsa key size", bits)
}

const curves: Readonly<Record<number, "p256" | "p384">> = { 256: "p256", 384: "p384" }

const notUsable = (what: RequestNotUsable["what"], value: number | undefined) =>
  Effect.fail(new RequestNotUsable({ what, value: value?.toString() }))

export const listTokens = (context: RequestContext): Answer =>
  Effect.map(tokensInScope(context), (tokens) => ({
    _tag: "ListTokensResponse",
    tokens: tokens.map(({ slot, label, model, manufacturer, serial, initialized, uri }) => ({
      ...{ slot: BigInt(slot), label, model, manufacturer, serial, initialized },
      uri: shownUri(uri)
    }))
  }))

/** Initialised ones only: the older request is for choosing where to create a key. */
export const listTokenUris = (context: RequestContext): Answer =>
  Effect.map(tokensInScope(context), (tokens) => ({
    _tag: "GetTokensUrisResponse",
    uris: tokens.filter((token) => token.initialized).map((token) => shownUri(token.uri))
  }))

export const listKeys = (context: RequestContext, request: Fields<"ListKeysRequest">): Answer =>
  Effect.gen(function* () {
    const token = yield* selected(context, request, "reads")
    const keys = yield* context.cryptoki.ask("ListKeys", { token }, { within: within.list })
    return {
      _tag: "ListKeysResponse",
      keys: keys
        .filter((key) => matchesObject(token.uri, key))
        .map(({ kind, keyType, label, id, uri }) => ({
          ...{ class: kind, keyType, label },
          id: Buffer.from(id).toString("hex"),
          uri: shownUri(uri)
        }))
    }
  })

const tokensInScope = ({ cryptoki, policy, access }: RequestContext) =>
  Effect.map(cryptoki.ask("ListTokens", undefined, { within: within.list }), (tokens) =>
    tokens.filter((token) => reaches(policy.scope, token) && reaches(access.scope, token))
  )

const reaches = (scope: Pkcs11Uri | undefined, token: TokenDescription): boolean =>
  scope === undefined || isInScope(scope, token)

/**
 * For scripts that call it at each start: a usable token with the label, or the one that the URI names, is returned as it is,
 * and not changed. Without a PIN: the service's own. Without an SO PIN: the same as the PIN.
 *
 * `turns`: one request at a time, as two at once would create two tokens with the same label.
 */
export const initToken = (
  context: RequestContext,
  request: Fields<"InitTokenRequest">,
  turns: Semaphore.Semaphore
): Answer =>
  Effect.gen(function* () {
    const token = yield* selected(context, { uri: request.uri }, "changes")
    yield* refuseOutside(context, { token: request.label })
    const there = yield* tokenThere(yield* tokensInScope(context), token.uri, request)
    if (there !== undefined) return { _tag: "InitTokenResponse", uri: shownUri(there.uri) } as const
    const pin = request.pin ?? context.policy.defaultPin
    if (pin === undefined) return yield* new RequestNotUsable({ what: "PIN missing", value: undefined })
    const asked = request.uri === undefined ? undefined : Result.getOrUndefined(parsePkcs11Uri(request.uri))
    const payload = {
      token: { ...token, uri: freeSlot(token.uri, asked) },
      label: request.label,
      pin,
      soPin: request.soPin ?? pin
    }
    const initialised = yield* context.cryptoki.ask("InitToken", payload, { within: within.change })
    return { _tag: "InitTokenResponse", uri: shownUri(initialised.uri) } as const
  }).pipe(turns.withPermit)

/** The token to return unchanged; undefined: one is to be initialised. */
const tokenThere = (
  tokens: ReadonlyArray<TokenDescription>,
  wanted: Pkcs11Uri,
  { label, uri }: Fields<"InitTokenRequest">
): Effect.Effect<TokenDescription | undefined, UriNotUsable> =>
  Effect.gen(function* () {
    const named = uri === undefined ? [] : tokens.filter((token) => matchesToken(wanted, token))
    const [only, ...more] = named
    if (only !== undefined && more.length === 0 && only.initialized) return yield* usable(only)
    const labelled = tokens.filter((token) => token.initialized && token.label === label)
    const found = labelled.find(isUsable) ?? labelled[0]
    if (found !== undefined && (uri === undefined || named.length > 0)) return yield* usable(found)
    // A card initialised by its vendor never shows a free slot.
    const all = tokens.filter(isUsable)
    return uri === undefined && tokens.every(({ initialized }) => initialized) && all.length === 1 ? all[0] : undefined
  })

/** The token has its user PIN, or needs none. */
const isUsable = (token: TokenDescription): boolean => token.initialized && token.userPin !== "notSet"

const usable = (token: TokenDescription): Effect.Effect<TokenDescription, UriNotUsable> =>
  isUsable(token)
    ? Effect.succeed(token)
    : Effect.fail(
        new UriNotUsable({
          uri: shownUri(token.uri),
          reason:
            "the token is already initialised and has no user PIN; set one with its SO PIN: tedge hsm change-pin --reset"
        })
      )
