/**
 * Looks for a key on the other tokens, when the first one does not have it: for the refusal's sake only.
 *
 * A URI that names no token means the first one, whatever else is plugged; people then wonder. Nothing is logged in
 * for it, so it finds what shows without a PIN, which is the public half as a rule.
 * Source: thin-edge hsm-support, "Key selection".
 */
import { Clock, Effect } from "effect"
import type { Pkcs11Uri } from "../../messages/pkcs11-uri.ts"
import { matchesObject, namesObject, namesToken } from "../../messages/pkcs11-uri-match.ts"
import { KeyNotFound, type TokenRefusal } from "../../messages/token-refusals.ts"
import type { TokenHost } from "./host-client.ts"
import type { Router } from "./router.ts"
import { keyUri } from "./select-key.ts"
import { isInitialized, shownUri, type Token, tokenName } from "./token-facts.ts"

/** Adds to KeyNotFound where the key is. */
export const sayingWhere =
  (router: Router, uri: Pkcs11Uri) =>
  <A>(asked: Effect.Effect<A, TokenRefusal>): Effect.Effect<A, TokenRefusal> =>
    Effect.catchTag(asked, "KeyNotFound", (refusal) =>
      namesObject(uri) && !namesToken(uri)
        ? Effect.flatMap(find(router, uri, refusal.token), (elsewhere) =>
            Effect.fail(new KeyNotFound({ uri: refusal.uri, token: refusal.token, elsewhere }))
          )
        : Effect.fail(refusal)
    )

const find = (router: Router, uri: Pkcs11Uri, searched: string): Effect.Effect<string | undefined> =>
  Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    const known = router.elsewhere.get(shownUri(uri))
    if (known && now - known.at < searchAgainAfterMs) return known.found
    const found = yield* search(router, uri, searched)
    if (router.elsewhere.size >= rememberedUris) router.elsewhere.clear()
    router.elsewhere.set(shownUri(uri), { at: now, found })
    return found
  })

const search = (router: Router, uri: Pkcs11Uri, searched: string): Effect.Effect<string | undefined> =>
  Effect.gen(function* () {
    const tokens = yield* router.listing.tokens(searchAgainAfterMs)
    const others = tokens.filter((token) => isInitialized(token) && tokenName(token) !== searched)
    if (others.length === 0) return undefined
    const host = yield* router.hosts.lease(undefined)
    for (const token of others) {
      const found = yield* searchToken(router, host, token, uri)
      if (found) return found
    }
    return undefined
  }).pipe(
    Effect.scoped,
    // The refusal is right without it; what hinders this search is another question.
    Effect.orElseSucceed(() => undefined)
  )

const searchToken = (router: Router, host: TokenHost, token: Token, uri: Pkcs11Uri) =>
  Effect.gen(function* () {
    const { listMs } = router.tools.settings.limits
    const { slot } = token.facts
    yield* host.call("open", { slot }, listMs)
    for (const kind of ["private", "public"] as const) {
      const objects = yield* host.call("objects", { slot, kind, id: uri.id }, listMs)
      const { type: _any, ...attributes } = uri
      const object = objects.find((one) => matchesObject(attributes, one))
      if (object) return shownUri(keyUri(token, object))
    }
    return undefined
  })

const searchAgainAfterMs = 30_000
const rememberedUris = 256
