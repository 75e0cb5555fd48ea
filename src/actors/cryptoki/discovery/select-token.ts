/**
 * Chooses the token that a URI selects.
 *
 * For signing the module's first is used, with a warning; a command that changes a token never guesses.
 * A URI that names only a key has no token attributes, so it selects the first token, even if the key is on another.
 * Source: thin-edge hsm-support, "Key selection"; RFC 7512, 2.4.
 */
import { Effect, Result } from "effect"
import { type Pkcs11Uri, shownUri } from "../../../messages/pkcs11-uri.ts"
import { matchesToken } from "../../../messages/pkcs11-uri-match.ts"
import { TokenAmbiguous, TokenNotFound, type TokenRefusal } from "../../../messages/token-refusals.ts"
import { monotonicNow } from "../../../runtime/primitives/monotonic-time.ts"
import { quirksOf, writtenWithinMs } from "../pkcs11/quirks.ts"
import { isInitialized, matchable, type Token, tokenUri } from "../pkcs11/token-facts.ts"
import type { Listing } from "./listing.ts"

interface SelectedToken {
  readonly token: Token
  /** Others that match as well. */
  readonly others: ReadonlyArray<Token>
}

/** The first initialised token that matches. */
export const firstToken = (
  uri: Pkcs11Uri,
  tokens: ReadonlyArray<Token>
): Effect.Effect<SelectedToken, TokenNotFound> => {
  const [token, ...others] = matching(uri, tokens).filter(isInitialized)
  return token === undefined ? Effect.fail(notFound(uri, tokens)) : Effect.succeed({ token, others })
}

/** The only token that matches. `kind`: what the command needs. */
export const onlyToken = (
  uri: Pkcs11Uri,
  tokens: ReadonlyArray<Token>,
  kind: "initialized" | "any" | "uninitialized"
): Effect.Effect<Token, TokenNotFound | TokenAmbiguous> => {
  const fits = (token: Token) => kind === "any" || isInitialized(token) === (kind === "initialized")
  const [token, ...others] = matching(uri, tokens).filter(fits)
  if (token === undefined) return Effect.fail(notFound(uri, tokens))
  return others.length === 0
    ? Effect.succeed(token)
    : Effect.fail(new TokenAmbiguous({ candidates: [token, ...others].map((one) => shownUri(tokenUri(one))) }))
}

/** The same, looked for once more where it is missed. */
export const onlyTokenThere = (listing: Listing, uri: Pkcs11Uri): Effect.Effect<Token, TokenRefusal> =>
  Effect.gen(function* () {
    const begun = yield* monotonicNow
    const listed = yield* listing.tokens(justListedMs)
    const found = yield* Effect.result(onlyToken(uri, listed, "initialized"))
    if (Result.isSuccess(found)) return found.success
    if (found.failure._tag !== "TokenNotFound") return yield* Effect.fail(found.failure)
    return yield* onlyToken(uri, yield* listAnew(listing, listed, begun), "initialized")
  })

/** A command lists tokens, prompts for a PIN if needed, and names one: no second listing, which may load the module again. */
const justListedMs = 5000

/** For a token that was missed since `begun`: by a new host; in files a moment later, as another process may be writing it. */
export const listAnew = (
  listing: Listing,
  listed: ReadonlyArray<Token>,
  begun: number
): Effect.Effect<ReadonlyArray<Token>, TokenRefusal> =>
  Effect.gen(function* () {
    if (areFiles(listed)) {
      yield* Effect.sleep(writtenWithinMs)
      return yield* listing.tokens(0, "newHost")
    }
    return yield* listing.tokens((yield* monotonicNow) - begun + 1, "newHost")
  })

export const areFiles = (listed: ReadonlyArray<Token>): boolean =>
  listed.some(({ library }) => quirksOf(library, {}).isFiles)

export const matching = (uri: Pkcs11Uri, tokens: ReadonlyArray<Token>): ReadonlyArray<Token> =>
  tokens.filter((token) => matchesToken(uri, matchable(token)))

const notFound = (uri: Pkcs11Uri, tokens: ReadonlyArray<Token>): TokenNotFound => {
  const shown = shownUri(uri)
  return new TokenNotFound({
    uri: shown === "pkcs11:" ? undefined : shown,
    present: tokens.filter(isInitialized).map((token) => shownUri(tokenUri(token)))
  })
}
