/**
 * CryptokiActor for a local PKCS#11 module: a router over token actors, one per token in use.
 *
 * It chooses the token and forwards the request; a slow or failed token does not affect the others and Ping.
 */
import { Duration, Effect } from "effect"
import { type CryptokiProtocol, type KeySelector, requestTags } from "../../messages/cryptoki.ts"
import { type Pkcs11Uri, shownUri } from "../../messages/pkcs11-uri.ts"
import { TokenActorFailed, type TokenRefusal, TokenUnavailable, UriNotUsable } from "../../messages/token-refusals.ts"
import { type Behaviour, takesTurns } from "../../runtime/actor.ts"
import type { AskFailed } from "../../runtime/errors.ts"
import { namingOtherToken } from "./discovery/key-on-other-token.ts"
import { onlyTokenThere } from "./discovery/select-token.ts"
import { initToken } from "./init-token.ts"
import { clearLatch } from "./pin/clear-latch.ts"
import { describeToken, shownTokenPart, tokenName } from "./pkcs11/token-facts.ts"
import {
  type CryptokiDeps,
  findTokenActor,
  makeRouter,
  type Router,
  type TokenActorEntry,
  tokenActorOf,
  withinScope
} from "./router.ts"
import type { CryptokiSettings } from "./settings.ts"
import { type Asker, latchedToken } from "./token/session.ts"

export const cryptokiBehaviour = (settings: CryptokiSettings, deps: CryptokiDeps): Behaviour<CryptokiProtocol> => ({
  // Requests are forwarded: the mailbox of each token is the bound.
  concurrent: { tags: ["Ping", ...requestTags], inFlight: Number.POSITIVE_INFINITY },
  init: (context) =>
    Effect.gen(function* () {
      const router = yield* makeRouter(settings, deps, (effect) => context.task("cryptoki", effect))
      return {
        // A token actor that hangs keeps it from responding; one that failed is handled by its supervisor.
        Ping: () =>
          Effect.forEach(router.tokenActors.values(), ({ ref }) => takesTurns(ref), {
            concurrency: "unbounded",
            discard: true
          }),
        ChooseScheme: ({ key, offered, publicKey }) =>
          withKeyOf(router, key, (tokenActor, asker) =>
            Effect.map(tokenActor.ref.ask("Choose", { asker: { ...asker, publicKey }, offered }, noLimit), (chosen) => {
              // Its signatures follow: they name this token, without listing all.
              if (chosen.key.uri)
                router.byTokenUri.set(shownTokenPart(router.tools.narrowed(chosen.key.uri)), tokenActor)
              return chosen
            })
          ),
        Sign: ({ key, scheme, message }) =>
          withKeyOf(router, key, ({ ref }, asker) => ref.ask("Sign", { asker, scheme, message }, noLimit)),
        PublicKey: ({ key }) => withKeyOf(router, key, ({ ref }, asker) => ref.ask("PublicKey", { asker }, noLimit)),
        ListTokens: () => Effect.map(router.listing.tokens(0), (tokens) => tokens.map(describeToken)),
        ListKeys: ({ token }) => toToken(router, token, ({ ref }, asker) => ref.ask("ListKeys", { asker }, noLimit)),
        CreateKey: ({ token, ...order }) =>
          toOnlyToken(router, token, ({ ref, creating }, asker) =>
            creating.withPermit(ref.ask("CreateKey", { asker, order }, noLimit))
          ).pipe(Effect.tap(() => markOutdated(router))),
        InitToken: ({ token, ...order }) => Effect.tap(initToken(router, token, order), () => markOutdated(router)),
        ChangePin: ({ token, ...order }) =>
          toOnlyToken(router, token, ({ ref }, asker) => ref.ask("ChangePin", { asker, order }, noLimit)),
        DeleteKey: ({ key }) => deleteKey(router, key),
        ClearPinLatch: ({ token }) =>
          Effect.gen(function* () {
            const found = yield* onlyTokenThere(router.listing, router.tools.narrowed(token.uri ?? anyKey))
            return yield* clearLatch(router.latches, settings.latchDirectory, latchedToken(found))
          })
      }
    })
})

/** Requests to a token actor. */
type AskOf<A> = (tokenActor: TokenActorEntry, asker: Asker) => Effect.Effect<A, TokenRefusal | AskFailed>

/** As `toToken`, for a key: the refusal names another token that has it. */
const withKeyOf = <A>(router: Router, key: KeySelector, ask: AskOf<A>): Effect.Effect<A, TokenRefusal> =>
  Effect.catch(toToken(router, key, ask), (refusal) =>
    namingOtherToken(router, router.tools.narrowed(key.uri ?? anyKey), refusal)
  )

/** Forwards a request to the token actor of the token that the URI selects. */
const toToken = <A>(
  router: Router,
  { uri = anyKey, pin, client }: KeySelector,
  ask: AskOf<A>
): Effect.Effect<A, TokenRefusal> =>
  Effect.suspend(() => {
    const asker = { uri: router.tools.narrowed(uri), pin, client }
    const known = router.byTokenUri.get(shownTokenPart(asker.uri))
    return Effect.flatMap(known ? Effect.succeed(known) : findTokenActor(router, asker.uri), (tokenActor) =>
      throughTokenActor(router, tokenActor, ask(tokenActor, asker))
    )
  })

/** As `toToken`, for commands that change a token: only if a single token matches, within the scope. */
const toOnlyToken = <A>(router: Router, token: KeySelector, ask: AskOf<A>): Effect.Effect<A, TokenRefusal> =>
  Effect.gen(function* () {
    const asker = yield* withinScope(router, token)
    const tokenActor = yield* tokenActorOf(router, yield* onlyTokenThere(router.listing, asker.uri))
    return yield* throughTokenActor(router, tokenActor, ask(tokenActor, asker))
  })

const anyKey: Pkcs11Uri = {}

/** If the token actor's mailbox is full, the token is unavailable. */
const throughTokenActor = <A>(
  router: Router,
  tokenActor: TokenActorEntry,
  asked: Effect.Effect<A, TokenRefusal | AskFailed>
): Effect.Effect<A, TokenRefusal> =>
  asked.pipe(
    Effect.catchTags({
      Undeliverable: ({ _tag, reason, retryInMs }) =>
        reason === "full" ? unusable(tokenActor, _tag) : failed(tokenActor, "parked", retryInMs),
      PeerDown: () => failed(tokenActor, "restarted")
    }),
    // The next request for this token lists the tokens again.
    Effect.tapErrorTag("TokenUnavailable", () =>
      Effect.sync(() => {
        for (const [uri, one] of router.byTokenUri) if (one === tokenActor) router.byTokenUri.delete(uri)
      })
    ),
    // A token actor adds no deadline, so the asker's own has passed; slightly later, so that the asker gets its own timeout.
    Effect.catchTag("AskTimeout", ({ _tag }) => Effect.andThen(Effect.sleep("20 millis"), unusable(tokenActor, _tag)))
  )

const failed = ({ token }: TokenActorEntry, state: TokenActorFailed["state"], retryInMs?: number) =>
  Effect.fail(new TokenActorFailed({ token: tokenName(token), state, ...(retryInMs !== undefined && { retryInMs }) }))

const unusable = (tokenActor: TokenActorEntry, why: string) =>
  Effect.fail(
    new TokenUnavailable({ token: tokenName(tokenActor.token), call: undefined, code: undefined, detail: why })
  )

/** Never all keys of a token: the URI must name one. */
const deleteKey = (router: Router, key: KeySelector) => {
  const uri = key.uri ?? {}
  return uri.id === undefined && uri.object === undefined
    ? Effect.fail(new UriNotUsable({ uri: shownUri(uri), reason: "it must name the key by id or object" }))
    : toOnlyToken(router, key, ({ ref }, asker) => ref.ask("DeleteKey", { asker }, noLimit))
}

/** Hosts of other token actors may have read their tokens before this. */
const markOutdated = (router: Router): Effect.Effect<void> =>
  Effect.gen(function* () {
    yield* router.listing.forget
    // A token actor that accepts no messages has nothing to clear.
    for (const { ref } of router.tokenActors.values()) yield* ref.offer("Outdated", undefined)
  })

/** The asker's own deadline applies; a token actor adds none. */
const noLimit = { within: Duration.infinity }
