/**
 * Where the messages of CryptokiActor go: which token a URI means, and the actor of that token, started when there is
 * none yet.
 */
import { Duration, Effect, Exit, Result, Scope, Semaphore } from "effect"
import type { KeySelector } from "../../messages/cryptoki.ts"
import { type Pkcs11Uri, shownUri } from "../../messages/pkcs11-uri.ts"
import { matchesToken } from "../../messages/pkcs11-uri-match.ts"
import { mergeScope } from "../../messages/pkcs11-uri-scope.ts"
import {
  type KeyOnOtherToken,
  OutsideScope,
  TokenActorFailed,
  type TokenRefusal,
  TokenUnavailable
} from "../../messages/token-refusals.ts"
import { address, child } from "../../runtime/actor.ts"
import type { AskFailed } from "../../runtime/errors.ts"
import { BoundedMap } from "../../runtime/primitives/bounded-map.ts"
import { FifoSemaphore } from "../../runtime/primitives/fifo-semaphore.ts"
import { monotonicNow } from "../../runtime/primitives/monotonic-time.ts"
import type { ActorRef } from "../../runtime/protocol.ts"
import type { DynamicSupervisorHandle } from "../../runtime/supervision.ts"
import { Supervisor } from "../../runtime/supervisor.ts"
import { type Listing, makeListing } from "./discovery/listing.ts"
import { makeMissingTokenPoller } from "./discovery/missing-token-poller.ts"
import { firstToken, onlyTokenThere } from "./discovery/select-token.ts"
import { withAdaptiveTimeouts } from "./host/adaptive-host.ts"
import { startHost } from "./host/host-client.ts"
import { type Hosts, makeHosts, type StartHost } from "./host/hosts.ts"
import { type LatchStore, latchStore } from "./pin/latch-store.ts"
import { makePinLatch } from "./pin/pin-latch.ts"
import { quirksOf, writtenWithinMs } from "./pkcs11/quirks.ts"
import { matchable, shownTokenPart, type Token, tokenIdentity, tokenName, tokenUri } from "./pkcs11/token-facts.ts"
import { type CryptokiSettings, type Publish, requestMailbox } from "./settings.ts"
import { type Asker, makeTokenConnection, type TokenTools } from "./token/session.ts"
import { type TokenProtocol, tokenActorBehaviour } from "./token/token-actor.ts"

export interface Router {
  readonly tools: TokenTools
  readonly hosts: Hosts
  readonly latches: LatchStore
  readonly listing: Listing
  /** A token was asked for that is not there, and never was. */
  readonly missed: (uri: Pkcs11Uri) => Effect.Effect<void>
  readonly supervisor: DynamicSupervisorHandle
  /** One token actor is started at a time. */
  readonly starting: Semaphore.Semaphore
  /** By the token's identity. */
  readonly tokenActors: Map<string, TokenActorEntry>
  /** By the printed token part of the URI. */
  readonly meant: BoundedMap<string, TokenActorEntry>
  /** By the reference to a key that was chosen: on which token it is. */
  readonly references: WeakMap<Pkcs11Uri, TokenActorEntry>
  /** Where keys were found that a token did not have, by URI. */
  readonly onOtherToken: BoundedMap<string, { readonly at: number; readonly found: KeyOnOtherToken | undefined }>
  /** When the tokens were last listed because one was missing; monotonic milliseconds. */
  lookedAt: number
}

export interface TokenActorEntry {
  readonly ref: ActorRef<TokenProtocol>
  readonly token: Token
  /** One key is made at a time; others wait here, and take no place from signatures. */
  readonly creating: FifoSemaphore
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
    const latches = latchStore({ directory: settings.latchDirectory, owner: settings.latchOwner })
    const configured = () => ({ pin: settings.defaultPin, program: settings.program ?? "" })
    const hosts = yield* makeHosts(settings, withAdaptiveTimeouts(deps.startHost ?? startHost))
    const listing = yield* makeListing({ settings, hosts, task })
    return {
      tools: { settings, latch: makePinLatch(latches, configured, publish), publish },
      hosts,
      latches,
      listing,
      missed: makeMissingTokenPoller({ listing, publish, keepLookingMs: settings.keepLookingMs, task }),
      supervisor: yield* Supervisor.dynamic({
        name: "cryptoki/tokens",
        // A request that ends in a defect may come from any client: it takes many to keep the others out.
        intensity: { max: 10, within: "1 minute" },
        backoff: { initial: "100 millis", maximum: "5 seconds", factor: 2, jitter: 0.2, resetAfter: "1 minute" },
        onExhausted: "park"
      }),
      starting: Semaphore.makeUnsafe(1),
      tokenActors: new Map(),
      meant: new BoundedMap(rememberedUris),
      references: new WeakMap(),
      onOtherToken: new BoundedMap(rememberedUris),
      lookedAt: Number.NEGATIVE_INFINITY
    }
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
    const meant = yield* onlyTokenThere(router.listing, asker.uri)
    const tokenActor = yield* tokenActorOf(router, meant)
    return yield* inTurn(tokenActor, throughTokenActor(router, tokenActor, ask(tokenActor.ref, asker)))
  })

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
    return Effect.flatMap(chosen ? Effect.succeed(chosen) : findTokenActor(router, asker.uri), (tokenActor) =>
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
    Effect.tapErrorTag("TokenUnavailable", () => doubt(router, tokenActor)),
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

const findTokenActor = (router: Router, uri: Pkcs11Uri): Effect.Effect<TokenActorEntry, TokenRefusal> =>
  Effect.suspend(() => {
    const meant = router.meant.get(shownTokenPart(uri))
    return meant ? Effect.succeed(meant) : findAnew(router, uri)
  })

const findAnew = (router: Router, uri: Pkcs11Uri): Effect.Effect<TokenActorEntry, TokenRefusal> =>
  Effect.gen(function* () {
    const begun = yield* monotonicNow
    const listed = yield* router.listing.tokens(listAgainAfterMs)
    let selected = yield* Effect.result(firstToken(uri, listed))
    if (Result.isFailure(selected)) {
      // A token that is out for the moment has a token actor that looks for it.
      const known = [...router.tokenActors.values()].find(({ token }) => matchesToken(uri, matchable(token)))
      if (known) return known
      selected = yield* Effect.result(firstToken(uri, yield* lookAgain(router, listed, begun)))
    }
    if (Result.isFailure(selected)) {
      yield* router.missed(uri)
      return yield* Effect.fail(selected.failure)
    }
    const { token, others } = selected.success
    const shown = (one: Token) => shownUri(tokenUri(one))
    if (others.length > 0)
      yield* router.tools.publish({ _tag: "SeveralTokensMatched", taken: shown(token), others: others.map(shown) })
    const tokenActor = yield* tokenActorOf(router, token)
    router.meant.set(shownTokenPart(uri), tokenActor)
    return tokenActor
  })

/** What was listed for another reason may be older than the token that is missing; but listing too often disturbs card readers. */
const lookAgain = (router: Router, listed: ReadonlyArray<Token>, begun: number) =>
  Effect.gen(function* () {
    const isFiles = listed.some(({ library }) => quirksOf(library, {}).isFiles)
    if (begun - router.lookedAt < (isFiles ? filesAgainAfterMs : listAgainAfterMs)) return listed
    router.lookedAt = begun
    if (isFiles) yield* Effect.sleep(writtenWithinMs)
    const now = yield* monotonicNow
    return yield* router.listing.tokens(isFiles ? 0 : now - begun + 1, "newHost")
  })

/** The token actor of a token that was listed. */
const tokenActorOf = (router: Router, token: Token): Effect.Effect<TokenActorEntry, TokenActorFailed> =>
  router.starting.withPermit(
    Effect.suspend(() => {
      const known = router.tokenActors.get(tokenIdentity(token))
      return known ? Effect.succeed(known) : startTokenActor(router, token)
    })
  )

/** Whole or not at all, whatever becomes of the request that wants it. */
const startTokenActor = (router: Router, token: Token): Effect.Effect<TokenActorEntry, TokenActorFailed> =>
  Effect.gen(function* () {
    const spare = yield* router.listing.takeHost
    let first = spare && { connection: makeTokenConnection(spare.host, token, spare.since), scope: spare.scope }
    // For its first incarnation; the next ones start a host of their own.
    const takeFirst = () => {
      const taken = first
      first = undefined
      return taken
    }
    const place = yield* address<TokenProtocol>({
      name: freeName(router, `cryptoki/${tokenName(token)}`),
      mailbox: requestMailbox
    })
    yield* router.supervisor
      .add(
        child(place, tokenActorBehaviour({ tools: router.tools, hosts: router.hosts, token, takeFirst }), {
          restart: "permanent"
        })
      )
      .pipe(
        Effect.tapError(() => (spare ? Scope.close(spare.scope, Exit.void) : Effect.void)),
        Effect.mapError(() => new TokenActorFailed({ token: tokenName(token), state: "parked" }))
      )
    const tokenActor = { ref: place.ref, token, creating: new FifoSemaphore(1) }
    router.tokenActors.set(tokenIdentity(token), tokenActor)
    return tokenActor
  }).pipe(Effect.uninterruptible)

/** Two tokens may have the same label. */
const freeName = ({ tokenActors }: Router, name: string): string => {
  const taken = [...tokenActors.values()].filter(
    ({ ref }) => ref.name === name || ref.name.startsWith(`${name} #`)
  ).length
  return taken === 0 ? name : `${name} #${taken + 1}`
}

/** The next request that named this token actor's token asks the module again which token is meant. */
const doubt = ({ meant }: Router, tokenActor: TokenActorEntry): Effect.Effect<void> =>
  Effect.sync(() => {
    for (const [uri, one] of meant) if (one === tokenActor) meant.delete(uri)
  })

/** A token that was not there is not looked for sooner. */
const listAgainAfterMs = 30_000
const filesAgainAfterMs = 1_000
/** Bounds what clients with many URIs can make us remember. */
const rememberedUris = 256
