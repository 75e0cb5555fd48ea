/**
 * Searches the other tokens for a key that was not found on the selected one: only for the
 * error message.
 *
 * A URI that names no token selects the first one, whatever else is plugged in; and labels are mistyped. The search does not
 * log in, so it finds what is visible without a PIN: usually the public key, or the certificate.
 * Source: thin-edge hsm-support, "Key selection".
 */
import { Effect } from "effect"
import { type Pkcs11Uri, shownUri } from "../../../messages/pkcs11-uri.ts"
import { matchesObject, matchesToken } from "../../../messages/pkcs11-uri-match.ts"
import {
  KeyNotFound,
  type KeyOnOtherToken,
  TokenNotFound,
  type TokenRefusal
} from "../../../messages/token-refusals.ts"
import { monotonicNow } from "../../../runtime/primitives/monotonic-time.ts"
import type { TokenHost } from "../host/host-client.ts"
import { isInitialized, matchable, type Token, tokenName, tokenUri } from "../pkcs11/token-facts.ts"
import type { Router } from "../router.ts"

/** Adds the token that has the key to KeyNotFound or TokenNotFound; to the latter also that a key was needed. */
export const namingOtherToken = (
  router: Router,
  wanted: Pkcs11Uri,
  refusal: TokenRefusal
): Effect.Effect<never, TokenRefusal> =>
  Effect.gen(function* () {
    if (refusal._tag === "KeyNotFound" && refusal.mayNotSign === undefined) {
      const { uri, token } = refusal
      const onOtherToken = yield* find(router, wanted)
      return yield* onOtherToken ? new KeyNotFound({ uri, token, onOtherToken }) : refusal
    }
    if (refusal._tag !== "TokenNotFound") return yield* Effect.fail(refusal)
    const { uri, present } = refusal
    const onOtherToken = yield* find(router, wanted)
    return yield* new TokenNotFound({ uri, present, forKey: true, ...(onOtherToken && { onOtherToken }) })
  })

const find = (router: Router, uri: Pkcs11Uri): Effect.Effect<KeyOnOtherToken | undefined> =>
  Effect.gen(function* () {
    if (uri.id === undefined && uri.object === undefined) return undefined
    const now = yield* monotonicNow
    const known = router.onOtherToken.get(shownUri(uri))
    if (known && now - known.at < searchAgainAfterMs) return known.found
    const searched = yield* search(router, uri)
    if (searched === undefined) return undefined
    const { found } = searched
    router.onOtherToken.set(shownUri(uri), { at: now, found })
    return found
  })

/** Undefined: no search, as others are searching or did so recently. */
const search = (
  router: Router,
  uri: Pkcs11Uri
): Effect.Effect<{ readonly found: KeyOnOtherToken | undefined } | undefined> =>
  Effect.gen(function* () {
    const tokens = (yield* router.listing.tokens(searchAgainAfterMs)).filter(isInitialized)
    const meant = tokens.find((token) => matchesToken(uri, matchable(token)))
    const others = tokens.filter((token) => token !== meant)
    if (others.length === 0) return { found: undefined }
    const host = yield* router.hosts.spare
    if (host === undefined) return undefined
    for (const token of others) {
      const found = yield* searchToken(router, host, token, uri)
      if (found) return { found }
    }
    return { found: undefined }
  }).pipe(
    Effect.scoped,
    Effect.timeout(searchWithin),
    // Errors of this search do not replace the refusal.
    Effect.orElseSucceed(() => ({ found: undefined }))
  )

const searchToken = (router: Router, host: TokenHost, token: Token, { id, object }: Pkcs11Uri) =>
  Effect.gen(function* () {
    const { listMs } = router.tools.settings.limits
    const { slot } = token.facts
    // The requested attributes, on this token: the private key may differ from the visible object in the others.
    const asked = { ...(id && { id }), ...(object !== undefined && { object }) }
    const uri = shownUri({ ...tokenUri(token), ...asked })
    const there = { token: tokenName(token), uri }
    yield* host.call("open", { slot }, listMs)
    for (const kind of ["private", "public"] as const) {
      const objects = yield* host.call("objects", { slot, kind, id }, listMs)
      if (objects.some((one) => matchesObject(asked, one))) return { ...there, seen: seen[kind] }
    }
    const hasCertificate = yield* host.call("hasCertificate", { slot, id, label: object }, listMs)
    return hasCertificate ? { ...there, seen: "certificate" as const } : undefined
  })

const seen = { private: "privateKey", public: "publicKey" } as const

const searchAgainAfterMs = 30_000
/** A hanging token must not delay the refusal. */
const searchWithin = "10 seconds"
