/**
 * Handles one request frame: checks it, asks CryptokiActor, and encodes the response frame.
 *
 * Source: the signing service's protocol, version 1, "Meaning".
 */
import { Effect } from "effect"
import { OperationNotAllowed, type ServerOperation, SettingsNotRead } from "../../messages/p11-server.ts"
import { schemeOf, signatureSchemes } from "../../messages/signature-scheme.ts"
import type { Frame, FrameTag } from "../../messages/wire/frame1.ts"
import { wirePem } from "../../messages/wire/wire-pem.ts"
import { measured } from "../../runtime/measurements.ts"
import { changePin, createKey, deleteKey, initToken, listKeys, listTokens, listTokenUris } from "./answer-management.ts"
import type { RequestFailure } from "./frame-errors.ts"
import { withCandidates } from "./missing-key.ts"
import { type Answer, type Answered, type Fields, type RequestContext, selected, within } from "./request-context.ts"

export const answerRequest = (context: RequestContext, request: Frame): Effect.Effect<Answered, RequestFailure> => {
  const { unread } = context.policy
  if (unread !== undefined && request._tag !== "Ping") return Effect.fail(new SettingsNotRead(unread))
  const operation = operationOf(request._tag)
  if (operation !== undefined && !context.access.operations.includes(operation))
    return Effect.fail(new OperationNotAllowed({ operation, uid: context.access.uid, rule: context.access.rule }))
  switch (request._tag) {
    case "ChooseSchemeRequest":
      return chooseScheme(context, request)
    case "SignRequest": {
      const { toSign, uri, pin } = request
      return sign(context, { toSign, uri, pin, scheme: undefined })
    }
    case "SignRequestWithSigScheme":
      return sign(context, request)
    default:
      return Effect.map(answerWithoutKey(context, request), (frame) => ({ frame }))
  }
}

const answerWithoutKey = (context: RequestContext, request: Frame): Answer => {
  switch (request._tag) {
    case "Ping":
      return Effect.succeed({ _tag: "Pong" })
    case "GetPublicKeyPemRequest":
      return publicKey(context, request)
    case "GetTokensUrisRequest":
      return listTokenUris(context)
    case "ListTokensRequest":
      return listTokens(context)
    case "ListKeysRequest":
      return listKeys(context, request)
    case "CreateKeyRequest":
      return createKey(context, request)
    case "InitTokenRequest":
      return initToken(context, request, context.initialising)
    case "ChangePinRequest":
      return changePin(context, request)
    case "DeleteKeyRequest":
      return deleteKey(context, request)
    default:
      return Effect.fail({ _tag: "NoRequest" })
  }
}

/** The operation of a request, for the rules; responses and Ping have none. */
export const operationOf = (tag: FrameTag): ServerOperation | undefined => operations[tag]

const operations: { readonly [Tag in FrameTag]?: ServerOperation } = {
  ChooseSchemeRequest: "sign",
  SignRequest: "sign",
  SignRequestWithSigScheme: "sign",
  GetPublicKeyPemRequest: "public-key",
  GetTokensUrisRequest: "list",
  ListTokensRequest: "list",
  ListKeysRequest: "list",
  CreateKeyRequest: "create-key",
  InitTokenRequest: "init",
  ChangePinRequest: "change-pin",
  DeleteKeyRequest: "delete-key"
}

type WithKey = Effect.Effect<Answered, RequestFailure>

const orCandidates = <A>(
  context: RequestContext,
  key: Parameters<typeof withCandidates>[1],
  asked: Effect.Effect<A, RequestFailure>
): Effect.Effect<A, RequestFailure> =>
  Effect.catchTag(asked, "KeyNotFound", (failure) => withCandidates(context, key, failure))

const chooseScheme = Effect.fnUntraced(function* (
  context: RequestContext,
  request: Fields<"ChooseSchemeRequest">
): Effect.fn.Return<Answered, RequestFailure> {
  const key = yield* selected(context, request, "signs")
  const offered = request.offered.flatMap((code) => schemeOf(code) ?? [])
  const asked = context.cryptoki.ask("ChooseScheme", { offered, key }, { within: within.sign })
  const chosen = yield* orCandidates(context, key, asked)
  const scheme = chosen.scheme && signatureSchemes[chosen.scheme]
  const algorithm = chosen.algorithm === "RSA" ? 1 : 3
  return { frame: { _tag: "ChooseSchemeResponse", scheme, algorithm }, key: chosen.key.uri }
})

const sign = (context: RequestContext, request: Fields<"SignRequestWithSigScheme">): WithKey =>
  selected(context, request, "signs").pipe(
    Effect.flatMap((key) => {
      const payload = { key, scheme: request.scheme, message: request.toSign }
      return orCandidates(
        context,
        key,
        measured("signature", context.cryptoki.ask("Sign", payload, { within: within.sign }))
      )
    }),
    Effect.map(({ signature, key, times }) => ({ frame: { _tag: "SignResponse", signature }, key, times }))
  )

const publicKey = Effect.fnUntraced(function* (
  context: RequestContext,
  request: Fields<"GetPublicKeyPemRequest">
): Effect.fn.Return<Frame, RequestFailure> {
  const key = yield* selected(context, request, "tells")
  const asked = context.cryptoki.ask("PublicKey", { key }, { within: within.sign })
  const spki = yield* orCandidates(context, key, asked)
  return { _tag: "GetPublicKeyPemResponse", pem: wirePem(spki) ?? "" }
})
