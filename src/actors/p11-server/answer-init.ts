/**
 * Initialising a token, so that scripts may ask for it at each start: a usable token with the label, or the one that the
 * URI names, is answered as it is, and nothing is changed.
 *
 * One request at a time: two that come together would make two tokens with one label.
 */
import { Effect, Result, type Semaphore } from "effect"
import type { TokenDescription } from "../../messages/cryptoki.ts"
import { RequestNotUsable } from "../../messages/p11-server.ts"
import { type Pkcs11Uri, parsePkcs11Uri, shownUri } from "../../messages/pkcs11-uri.ts"
import { freeSlot, matchesToken } from "../../messages/pkcs11-uri-match.ts"
import { UriNotUsable } from "../../messages/token-refusals.ts"
import { tokensInScope } from "./answer-list.ts"
import { type Answer, type Fields, type RequestContext, refuseOutside, selected, within } from "./request-context.ts"

/** Without a PIN: the service's own. Without an SO PIN: the same as the PIN. `turns`: of all requests of this kind. */
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

/** The token that is to be answered as it is; undefined: one is to be initialised. */
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
    // A card that its maker initialised never shows a free slot.
    const all = tokens.filter(isUsable)
    return uri === undefined && tokens.every(({ initialized }) => initialized) && all.length === 1 ? all[0] : undefined
  })

/** The token has its user PIN, or wants none. */
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
