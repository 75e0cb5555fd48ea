/**
 * What CryptokiActor routes with: which token a URI means, and the actor of that token, started when there is none yet.
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
  readonly byTokenUri: BoundedMap<string, TokenActorEntry>
  /** URIs within the scope, by what was asked for. */
  readonly narrowedUris: WeakMap<Pkcs11Uri, Pkcs11Uri>
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
    const limits = adaptiveLimits()
    const hosts = yield* makeHosts(settings, deps.startHost ?? ((host) => startHost(host, limits)))
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
      byTokenUri: new BoundedMap(rememberedUris),
      narrowedUris: new WeakMap(),
      onOtherToken: new BoundedMap(rememberedUris),
      lookedAt: Number.NEGATIVE_INFINITY
    }
  })

/** For commands that change a token: what the scope does not allow is refused, never bent. */
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

/** The token actor of the first token the URI means; found once, until it is unavailable. */
export const findTokenActor = (router: Router, uri: Pkcs11Uri): Effect.Effect<TokenActorEntry, TokenRefusal> =>
  Effect.gen(function* () {
    const begun = yield* monotonicNow
    const listed = yield* router.listing.tokens(listAgainAfterMs)
    let selected = yield* Effect.result(firstToken(uri, listed))
    if (Result.isFailure(selected)) {
      // A token that is out for the moment has a token actor that looks for it.
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

/** The token actor of a token that was listed. */
export const tokenActorOf = (router: Router, token: Token): Effect.Effect<TokenActorEntry, TokenActorFailed> =>
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

/** A token that was not there is not looked for sooner. */
const listAgainAfterMs = 30_000
const filesAgainAfterMs = 1_000
/** Bounds what clients with many URIs can make us remember. */
const rememberedUris = 256
