/**
 * CryptokiActor for a local PKCS#11 module: a router over token actors, one for each token in use.
 *
 * It decides which token is meant and hands the request on; whatever one token does, the others and Ping are served.
 */
import { Effect } from "effect"
import { type CryptokiProtocol, type KeySelector, requestTags } from "../../messages/cryptoki.ts"
import { shownUri } from "../../messages/pkcs11-uri.ts"
import { type TokenRefusal, UriNotUsable } from "../../messages/token-refusals.ts"
import { type Behaviour, takesTurns } from "../../runtime/actor.ts"
import type { AskFailed } from "../../runtime/errors.ts"
import type { ActorRef } from "../../runtime/protocol.ts"
import { namingOtherToken } from "./discovery/key-on-other-token.ts"
import { onlyTokenThere } from "./discovery/select-token.ts"
import { initToken } from "./init-token.ts"
import { clearLatch } from "./pin/clear-latch.ts"
import { describeToken } from "./pkcs11/token-facts.ts"
import {
  type CryptokiDeps,
  makeRouter,
  narrowed,
  noLimit,
  type Router,
  type TokenActorEntry,
  toOnlyTokenActor,
  toTokenActor
} from "./router.ts"
import type { CryptokiSettings } from "./settings.ts"
import { type Asker, latchedToken } from "./token/session.ts"
import type { TokenProtocol } from "./token/token-actor.ts"

export const cryptokiBehaviour = (settings: CryptokiSettings, deps: CryptokiDeps): Behaviour<CryptokiProtocol> => ({
  // It hands them on: the mailbox of each token is the bound.
  concurrent: { tags: ["Ping", ...requestTags], inFlight: Number.POSITIVE_INFINITY },
  init: (context) =>
    Effect.gen(function* () {
      const router = yield* makeRouter(settings, deps, (effect) => context.task("cryptoki", effect))
      return {
        // One that is stuck keeps it from answering; one that failed is its supervisor's affair.
        Ping: () =>
          Effect.forEach(router.tokenActors.values(), ({ ref }) => takesTurns(ref), {
            concurrency: "unbounded",
            discard: true
          }),
        ChooseScheme: ({ key, offered, publicKey }) =>
          withKeyOf(
            router,
            key,
            (tokenActor, asker) => tokenActor.ask("Choose", { asker: { ...asker, publicKey }, offered }, noLimit),
            (tokenActor, { key: { uri } }) => uri && router.references.set(uri, tokenActor)
          ),
        Sign: ({ key, scheme, message }) =>
          withKeyOf(router, key, (tokenActor, asker) => tokenActor.ask("Sign", { asker, scheme, message }, noLimit)),
        PublicKey: ({ key }) =>
          withKeyOf(router, key, (tokenActor, asker) => tokenActor.ask("PublicKey", { asker }, noLimit)),
        ListTokens: () => Effect.map(router.listing.tokens(0), (tokens) => tokens.map(describeToken)),
        ListKeys: ({ token }) =>
          toTokenActor(router, token, (tokenActor, asker) => tokenActor.ask("ListKeys", { asker }, noLimit)),
        CreateKey: ({ token, ...order }) =>
          toOnlyTokenActor(
            router,
            token,
            (tokenActor, asker) => tokenActor.ask("CreateKey", { asker, order }, noLimit),
            ({ creating }, asked) => creating.withPermit(asked)
          ).pipe(Effect.tap(() => tellOutdated(router))),
        InitToken: ({ token, ...order }) => Effect.tap(initToken(router, token, order), () => tellOutdated(router)),
        ChangePin: ({ token, ...order }) =>
          toOnlyTokenActor(router, token, (tokenActor, asker) =>
            tokenActor.ask("ChangePin", { asker, order }, noLimit)
          ),
        DeleteKey: ({ key }) => deleteKey(router, key),
        ClearPinLatch: ({ token }) => clearPinLatch(router, token)
      }
    })
})

const withKeyOf = <A>(
  router: Router,
  key: KeySelector,
  ask: (tokenActor: ActorRef<TokenProtocol>, asker: Asker) => Effect.Effect<A, TokenRefusal | AskFailed>,
  answered?: (tokenActor: TokenActorEntry, answer: A) => void
): Effect.Effect<A, TokenRefusal> =>
  Effect.catch(toTokenActor(router, key, ask, answered), (refusal) =>
    namingOtherToken(router, narrowed(router, key).uri, refusal)
  )

/** Never all keys of a token: the URI must name one. */
const deleteKey = (router: Router, key: KeySelector) => {
  const uri = key.uri ?? {}
  return uri.id === undefined && uri.object === undefined
    ? Effect.fail(new UriNotUsable({ uri: shownUri(uri), reason: "it must name the key by id or object" }))
    : toOnlyTokenActor(router, key, (tokenActor, asker) => tokenActor.ask("DeleteKey", { asker }, noLimit))
}

const clearPinLatch = (router: Router, key: KeySelector) =>
  Effect.gen(function* () {
    const { uri } = narrowed(router, key)
    const token = yield* onlyTokenThere(router.listing, uri)
    return yield* clearLatch(router.latches, router.tools.settings.latchDirectory, latchedToken(token))
  })

/** Other token actors' hosts may have read their tokens before this. */
const tellOutdated = (router: Router): Effect.Effect<void> =>
  Effect.gen(function* () {
    yield* router.listing.forget
    // A token actor that takes no messages has nothing to forget.
    for (const { ref } of router.tokenActors.values()) yield* ref.offer("Outdated", undefined)
  })
