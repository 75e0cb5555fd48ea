/** Lists of tokens and keys, of what lies inside the scope. */
import { Effect } from "effect"
import type { TokenDescription } from "../../messages/cryptoki.ts"
import { type Pkcs11Uri, shownUri } from "../../messages/pkcs11-uri.ts"
import { isInScope, matchesObject } from "../../messages/pkcs11-uri-match.ts"
import { type Answer, type Fields, type RequestContext, selected, within } from "./request-context.ts"

export const listTokens = (context: RequestContext): Answer =>
  Effect.map(tokensInScope(context), (tokens) => ({
    _tag: "ListTokensResponse",
    tokens: tokens.map(({ slot, label, model, manufacturer, serial, initialized, uri }) => ({
      ...{ slot: BigInt(slot), label, model, manufacturer, serial, initialized },
      uri: shownUri(uri)
    }))
  }))

/** Initialised ones only: the older request is for choosing where to make a key. */
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

export const tokensInScope = ({ cryptoki, policy, access }: RequestContext) =>
  Effect.map(cryptoki.ask("ListTokens", undefined, { within: within.list }), (tokens) =>
    tokens.filter((token) => reaches(policy.scope, token) && reaches(access.scope, token))
  )

const reaches = (scope: Pkcs11Uri | undefined, token: TokenDescription): boolean =>
  scope === undefined || isInScope(scope, token)
