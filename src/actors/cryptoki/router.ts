/**
 * What the messages of CryptokiActor share: which token is meant, and the way to its token actor.
 */
import { Duration, Effect, Result, type Scope } from "effect"
import type { KeySelector } from "../../messages/cryptoki.ts"
import type { Pkcs11Uri } from "../../messages/pkcs11-uri.ts"
import { shownUri } from "../../messages/pkcs11-uri.ts"
import { mergeScope } from "../../messages/pkcs11-uri-scope.ts"
import {
  type KeyOnOtherToken,
  OutsideScope,
  TokenActorFailed,
  type TokenRefusal,
  TokenUnavailable
} from "../../messages/token-refusals.ts"
import type { AskFailed } from "../../runtime/errors.ts"
import { monotonicNow } from "../../runtime/primitives/monotonic-time.ts"
import type { ActorRef } from "../../runtime/protocol.ts"
import { type Listing, makeListing } from "./discovery/listing.ts"
import { makeMissingTokenPoller } from "./discovery/missing-token-poller.ts"
import { onlyToken } from "./discovery/select-token.ts"
import { withAdaptiveTimeouts } from "./host/adaptive-host.ts"
import { startHost } from "./host/host-client.ts"
import { type Hosts, makeHosts, type StartHost } from "./host/hosts.ts"
import { type LatchStore, latchStore } from "./pin/latch-store.ts"
import { makePinLatch } from "./pin/pin-latch.ts"
import { quirksOf, writtenWithinMs } from "./pkcs11/quirks.ts"
import { type Token, tokenName } from "./pkcs11/token-facts.ts"
import type { CryptokiSettings, Publish } from "./settings.ts"
import type { Asker, TokenTools } from "./token/session.ts"
import type { TokenProtocol } from "./token/token-actor.ts"
import { makeTokenActors, type TokenActorEntry, type TokenActors } from "./token-actors.ts"

export interface Router {
  readonly tools: TokenTools
  readonly hosts: Hosts
  readonly latches: LatchStore
  readonly listing: Listing
  readonly tokenActors: TokenActors
  /** By the reference to a key that was chosen: on which token it is. */
  readonly references: WeakMap<Pkcs11Uri, TokenActorEntry>
  /** Where keys were found that a token did not have, by URI. */
  readonly onOtherToken: Map<string, { readonly at: number; readonly found: KeyOnOtherToken | undefined }>
}

export interface CryptokiDeps {
  readonly publish: Publish
  /** Instead of a child process: for tests of what needs no module. */
  readonly startHost?: StartHost
}

export const makeRouter = (
  settings: CryptokiSettings,
  deps: CryptokiDeps,
  task: (effect: Effect.Effect<void>) => Effect.Effect<void>
): Effect.Effect<Router, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { publish } = deps
    const store = latchStore({ directory: settings.latchDirectory, owner: settings.latchOwner })
    const configured = () => ({ pin: settings.defaultPin, program: settings.program ?? "" })
    const latch = makePinLatch(store, configured, publish)
    const tools = { settings, latch, publish }
    const hosts = yield* makeHosts(settings, withAdaptiveTimeouts(deps.startHost ?? startHost))
    const listing = yield* makeListing({ settings, hosts, task })
    const missed = makeMissingTokenPoller({ listing, publish, keepLookingMs: settings.keepLookingMs, task })
    const tokenActors = yield* makeTokenActors({ tools, hosts, listing, missed })
    return { tools, hosts, latches: store, listing, tokenActors, references: new WeakMap(), onOtherToken: new Map() }
  })

/** The URI as the scope narrows it; the scope's attributes win. */
export const narrowed = (router: Router, { uri, pin, client }: KeySelector): Asker => ({
  uri: mergeScope(router.tools.settings.scope, uri ?? {}).uri,
  pin,
  client
})

/** As `narrowed`, for commands that change a token: what the scope does not allow is refused, never bent. */
export const withinScope = (
  router: Router,
  { uri = {}, pin, client }: KeySelector
): Effect.Effect<Asker, OutsideScope> =>
  Effect.suspend(() => {
    const { scope } = router.tools.settings
    const merged = mergeScope(scope, uri)
    return merged.conflicts.length > 0 && scope
      ? Effect.fail(new OutsideScope({ uri: shownUri(uri), scope: shownUri(scope) }))
      : Effect.succeed({ uri: merged.uri, pin, client })
  })

/** Hands a request to the token actor of the only token it can mean. `inTurn`: when it may go there. */
export const toOnlyTokenActor = <A>(
  router: Router,
  token: KeySelector,
  ask: (tokenActor: ActorRef<TokenProtocol>, asker: Asker) => Effect.Effect<A, TokenRefusal | AskFailed>,
  inTurn: (tokenActor: TokenActorEntry, asked: Effect.Effect<A, TokenRefusal>) => Effect.Effect<A, TokenRefusal> = (
    _tokenActor,
    asked
  ) => asked
): Effect.Effect<A, TokenRefusal> =>
  Effect.gen(function* () {
    const asker = yield* withinScope(router, token)
    const meant = yield* onlyTokenThere(router, asker.uri)
    const tokenActor = yield* router.tokenActors.of(meant)
    return yield* inTurn(tokenActor, throughTokenActor(router, tokenActor, ask(tokenActor.ref, asker)))
  })

/** A token that is missed is looked for by a new host; in files a moment later, as another process may be writing it. */
export const onlyTokenThere = (router: Router, uri: Pkcs11Uri): Effect.Effect<Token, TokenRefusal> =>
  Effect.gen(function* () {
    const begun = yield* monotonicNow
    const listed = yield* router.listing.tokens(justListedMs)
    const found = yield* Effect.result(onlyToken(uri, listed, "initialized"))
    if (Result.isSuccess(found)) return found.success
    if (found.failure._tag !== "TokenNotFound") return yield* Effect.fail(found.failure)
    const isFiles = listed.some(({ library }) => quirksOf(library, {}).isFiles)
    if (isFiles) yield* Effect.sleep(writtenWithinMs)
    const sinceBegun = (yield* monotonicNow) - begun + 1
    return yield* onlyToken(uri, yield* router.listing.tokens(isFiles ? 0 : sinceBegun, "newHost"), "initialized")
  })

/** A command lists tokens, asks for a PIN or not, and names one of them: not another look, where that costs a load. */
const justListedMs = 5000

/** Hands a request to the token actor of the token it means. A reference was found within the scope. */
export const toTokenActor = <A>(
  router: Router,
  key: KeySelector,
  ask: (tokenActor: ActorRef<TokenProtocol>, asker: Asker) => Effect.Effect<A, TokenRefusal | AskFailed>,
  answered: (tokenActor: TokenActorEntry, answer: A) => void = () => undefined
): Effect.Effect<A, TokenRefusal> =>
  Effect.suspend(() => {
    const { uri, pin, client } = key
    const chosen = uri && router.references.get(uri)
    const asker = uri && chosen ? { uri, pin, client } : narrowed(router, key)
    return Effect.flatMap(chosen ? Effect.succeed(chosen) : router.tokenActors.find(asker.uri), (tokenActor) =>
      Effect.map(throughTokenActor(router, tokenActor, ask(tokenActor.ref, asker)), (answer) => {
        answered(tokenActor, answer)
        return answer
      })
    )
  })

/** A token actor that has no room for the request is a token that cannot be used just now. */
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
    Effect.tapErrorTag("TokenUnavailable", () => router.tokenActors.doubt(tokenActor)),
    // A token actor adds no limit, so it is the asker's own that has passed: a moment later, for the asker to hear just that.
    Effect.catchTag("AskTimeout", ({ _tag }) => Effect.andThen(Effect.sleep("20 millis"), unusable(tokenActor, _tag)))
  )

const failed = ({ token }: TokenActorEntry, state: TokenActorFailed["state"], retryInMs?: number) =>
  Effect.fail(new TokenActorFailed({ token: tokenName(token), state, ...(retryInMs !== undefined && { retryInMs }) }))

const unusable = (tokenActor: TokenActorEntry, why: string) =>
  Effect.fail(
    new TokenUnavailable({ token: tokenName(tokenActor.token), call: undefined, code: undefined, detail: why })
  )

/** The asker's own deadline holds; a token actor adds none. */
export const noLimit = { within: Duration.infinity }
