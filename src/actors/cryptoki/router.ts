/**
 * CryptokiActor's routing: the token that a URI selects, and the actor of that token, started on its first request.
 */
import { Effect, Exit, Result, Scope, Semaphore } from "effect"
import type { KeySelector } from "../../messages/cryptoki.ts"
import { type Pkcs11Uri, shownUri } from "../../messages/pkcs11-uri.ts"
import { matchesToken } from "../../messages/pkcs11-uri-match.ts"
import { mergeScope } from "../../messages/pkcs11-uri-scope.ts"
import {
  type KeyOnOtherToken,
  OutsideScope,
  TokenActorFailed,
  type TokenRefusal
} from "../../messages/token-refusals.ts"
import { address, child } from "../../runtime/actor.ts"
import { BoundedMap } from "../../runtime/primitives/bounded-map.ts"
import { FifoSemaphore } from "../../runtime/primitives/fifo-semaphore.ts"
import { monotonicNow } from "../../runtime/primitives/monotonic-time.ts"
import type { ActorRef } from "../../runtime/protocol.ts"
import type { DynamicSupervisorHandle } from "../../runtime/supervision.ts"
import { Supervisor } from "../../runtime/supervisor.ts"
import { type Listing, makeListing } from "./discovery/listing.ts"
import { makeMissingTokenPoller } from "./discovery/missing-token-poller.ts"
import { areFiles, firstToken, listAnew } from "./discovery/select-token.ts"
import { adaptiveLimits } from "./host/adaptive-limits.ts"
import { startHost } from "./host/host-client.ts"
import { type Hosts, makeHosts, type StartHost } from "./host/hosts.ts"
import { type LatchStore, latchStore } from "./pin/latch-store.ts"
import { makePinLatch } from "./pin/pin-latch.ts"
import { matchable, shownTokenPart, type Token, tokenIdentity, tokenName, tokenUri } from "./pkcs11/token-facts.ts"
import { type CryptokiSettings, type Publish, requestMailbox } from "./settings.ts"
import { type Asker, makeTokenConnection, narrowedBy, type TokenTools } from "./token/session.ts"
import { type TokenProtocol, tokenActorBehaviour } from "./token/token-actor.ts"

export interface Router {
  readonly tools: TokenTools
  readonly hosts: Hosts
  readonly latches: LatchStore
  readonly listing: Listing
  /** Called for requests for a token that was never seen. */
  readonly missed: (uri: Pkcs11Uri) => Effect.Effect<void>
  readonly supervisor: DynamicSupervisorHandle
  /** One token actor is started at a time. */
  readonly starting: Semaphore.Semaphore
  /** By the token's identity. */
  readonly tokenActors: Map<string, TokenActorEntry>
  /** By the printed token part of the URI. */
  readonly byTokenUri: BoundedMap<string, TokenActorEntry>
  /** Where keys were found that a token did not have, by URI. */
  readonly onOtherToken: BoundedMap<string, { readonly at: number; readonly found: KeyOnOtherToken | undefined }>
  /** When the tokens were last listed because one was missing; monotonic milliseconds. */
  lookedAt: number
}

export interface TokenActorEntry {
  readonly ref: ActorRef<TokenProtocol>
  readonly token: Token
  /** One key is created at a time; others wait here, without occupying places of signatures. */
  readonly creating: FifoSemaphore
}

export interface CryptokiDeps {
  readonly publish: Publish
  /** Instead of a child process: for tests without a module. */
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
    const limits = adaptiveLimits()
    const hosts = yield* makeHosts(settings, deps.startHost ?? ((host) => startHost(host, limits)))
    const listing = yield* makeListing({ settings, hosts, task })
    return {
      tools: {
        settings,
        narrowed: narrowedBy(settings.scope),
        latch: makePinLatch(latches, configured, publish),
        publish
      },
      hosts,
      latches,
      listing,
      missed: makeMissingTokenPoller({ listing, publish, keepPollingMs: settings.keepPollingMs, task }),
      supervisor: yield* Supervisor.dynamic({
        name: "cryptoki/tokens",
        // Any client may cause a request that ends in a defect: many are needed to park the actor.
        intensity: { max: 10, within: "1 minute" },
        backoff: { initial: "100 millis", maximum: "5 seconds", factor: 2, jitter: 0.2, resetAfter: "1 minute" },
        onExhausted: "park"
      }),
      starting: Semaphore.makeUnsafe(1),
      tokenActors: new Map(),
      byTokenUri: new BoundedMap(rememberedUris),
      onOtherToken: new BoundedMap(rememberedUris),
      lookedAt: Number.NEGATIVE_INFINITY
    }
  })

/** For commands that change a token: a conflict with the scope is refused, never adapted. */
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

/** The token actor of the first token the URI selects; cached until it is unavailable. */
export const findTokenActor = (router: Router, uri: Pkcs11Uri): Effect.Effect<TokenActorEntry, TokenRefusal> =>
  Effect.gen(function* () {
    const begun = yield* monotonicNow
    const listed = yield* router.listing.tokens(listAgainAfterMs)
    let selected = yield* Effect.result(firstToken(uri, listed))
    if (Result.isFailure(selected)) {
      // A token that was removed has a token actor that polls for it.
      const known = [...router.tokenActors.values()].find(({ token }) => matchesToken(uri, matchable(token)))
      if (known) return known
      // What was listed for another reason may be older than the token; but listing too often disturbs card readers.
      if (begun - router.lookedAt >= (areFiles(listed) ? filesAgainAfterMs : listAgainAfterMs)) {
        router.lookedAt = begun
        selected = yield* Effect.result(firstToken(uri, yield* listAnew(router.listing, listed, begun)))
      }
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
    router.byTokenUri.set(shownTokenPart(uri), tokenActor)
    return tokenActor
  })

/** The token actor of a listed token. */
export const tokenActorOf = (router: Router, token: Token): Effect.Effect<TokenActorEntry, TokenActorFailed> =>
  router.starting.withPermit(
    Effect.suspend(() => {
      const known = router.tokenActors.get(tokenIdentity(token))
      return known ? Effect.succeed(known) : startTokenActor(router, token)
    })
  )

/** Atomic, even if the request that causes it is interrupted. */
const startTokenActor = (router: Router, token: Token): Effect.Effect<TokenActorEntry, TokenActorFailed> =>
  Effect.gen(function* () {
    const spare = yield* router.listing.takeHost
    let first = spare && { connection: makeTokenConnection(spare.host, token, spare.since), scope: spare.scope }
    // For its first incarnation; later ones start their own host.
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

/** A missing token is not searched again sooner. */
const listAgainAfterMs = 30_000
const filesAgainAfterMs = 1_000
/** Bounds the memory for clients with many URIs. */
const rememberedUris = 256
