/**
 * The token actors of a CryptokiActor: found by what a URI says about the token, started when there is none yet.
 */
import { Effect, Exit, Result, Scope, Semaphore } from "effect"
import type { Pkcs11Uri } from "../../messages/pkcs11-uri.ts"
import { shownUri } from "../../messages/pkcs11-uri.ts"
import { matchesToken } from "../../messages/pkcs11-uri-match.ts"
import { TokenActorFailed, type TokenRefusal } from "../../messages/token-refusals.ts"
import { address, child } from "../../runtime/actor.ts"
import { FifoSemaphore } from "../../runtime/primitives/fifo-semaphore.ts"
import { monotonicNow } from "../../runtime/primitives/monotonic-time.ts"
import type { ActorRef } from "../../runtime/protocol.ts"
import type { DynamicSupervisorHandle } from "../../runtime/supervision.ts"
import { Supervisor } from "../../runtime/supervisor.ts"
import type { Listing } from "./discovery/listing.ts"
import { firstToken } from "./discovery/select-token.ts"
import type { Hosts } from "./host/hosts.ts"
import { quirksOf, writtenWithinMs } from "./pkcs11/quirks.ts"
import { matchable, shownTokenPart, type Token, tokenIdentity, tokenName, tokenUri } from "./pkcs11/token-facts.ts"
import { mostRequests } from "./settings.ts"
import type { TokenTools } from "./token/session.ts"
import { type TokenProtocol, tokenActorBehaviour } from "./token/token-actor.ts"
import { makeTokenConnection } from "./token/token-connection.ts"

export interface TokenActorEntry {
  readonly ref: ActorRef<TokenProtocol>
  readonly token: Token
  /** One key is made at a time; others wait here, and take no place from signatures. */
  readonly creating: FifoSemaphore
}

export interface TokenActors {
  /** The token actor of the token that a URI means. */
  readonly find: (uri: Pkcs11Uri) => Effect.Effect<TokenActorEntry, TokenRefusal>
  /** The token actor of a token that was listed. */
  readonly of: (token: Token) => Effect.Effect<TokenActorEntry, TokenActorFailed>
  /** The next request that named this token actor's token asks the module again which token is meant. */
  readonly doubt: (tokenActor: TokenActorEntry) => Effect.Effect<void>
  readonly all: Effect.Effect<ReadonlyArray<TokenActorEntry>>
}

interface TokenActorsSpec {
  readonly tools: TokenTools
  readonly hosts: Hosts
  readonly listing: Listing
  /** A token was asked for that is not there, and never was. */
  readonly missed: (uri: Pkcs11Uri) => Effect.Effect<void>
}

interface State {
  readonly tokenActors: Map<string, TokenActorEntry>
  /** By the printed token part of the URI. */
  readonly meant: Map<string, TokenActorEntry>
  /** When the tokens were last listed because one was missing; milliseconds since 1970. */
  lookedAt: number
}

export const makeTokenActors = (spec: TokenActorsSpec): Effect.Effect<TokenActors, never, Scope.Scope> =>
  Effect.gen(function* () {
    const state: State = { tokenActors: new Map(), meant: new Map(), lookedAt: Number.NEGATIVE_INFINITY }
    const starting = Semaphore.makeUnsafe(1)
    const supervisor = yield* Supervisor.dynamic({
      name: "cryptoki/tokens",
      // A request that ends in a defect may come from any client: it takes many to keep the others out.
      intensity: { max: 10, within: "1 minute" },
      backoff: { initial: "100 millis", maximum: "5 seconds", factor: 2, jitter: 0.2, resetAfter: "1 minute" },
      onExhausted: "park"
    })
    const of = (token: Token) =>
      starting.withPermit(
        Effect.suspend(() => {
          const known = state.tokenActors.get(tokenIdentity(token))
          return known ? Effect.succeed(known) : startTokenActor(spec, state, supervisor, token)
        })
      )
    return {
      of,
      find: (uri) => find(spec, state, of, uri),
      doubt: (tokenActor) => Effect.sync(() => forget(state.meant, tokenActor)),
      all: Effect.sync(() => [...state.tokenActors.values()])
    }
  })

const find = (
  spec: TokenActorsSpec,
  state: State,
  of: TokenActors["of"],
  uri: Pkcs11Uri
): Effect.Effect<TokenActorEntry, TokenRefusal> =>
  Effect.suspend(() => {
    const wanted = shownTokenPart(uri)
    const meant = state.meant.get(wanted)
    return meant ? Effect.succeed(meant) : findAnew(spec, state, of, uri)
  })

const findAnew = (
  spec: TokenActorsSpec,
  state: State,
  of: TokenActors["of"],
  uri: Pkcs11Uri
): Effect.Effect<TokenActorEntry, TokenRefusal> =>
  Effect.gen(function* () {
    const begun = yield* monotonicNow
    const listed = yield* spec.listing.tokens(listAgainAfterMs)
    let selected = yield* Effect.result(firstToken(uri, listed))
    if (Result.isFailure(selected)) {
      // A token that is out for the moment has a token actor that looks for it.
      const known = [...state.tokenActors.values()].find(({ token }) => matchesToken(uri, matchable(token)))
      if (known) return known
      selected = yield* Effect.result(firstToken(uri, yield* lookAgain(spec, state, listed, begun)))
    }
    if (Result.isFailure(selected)) {
      yield* spec.missed(uri)
      return yield* Effect.fail(selected.failure)
    }
    const { token, others } = selected.success
    const shown = (one: Token) => shownUri(tokenUri(one))
    if (others.length > 0)
      yield* spec.tools.publish({ _tag: "SeveralTokensMatched", taken: shown(token), others: others.map(shown) })
    const tokenActor = yield* of(token)
    if (state.meant.size >= rememberedUris) state.meant.clear()
    state.meant.set(shownTokenPart(uri), tokenActor)
    return tokenActor
  })

/** What was listed for another reason may be older than the token that is missing; but readers bear no haste. */
const lookAgain = (spec: TokenActorsSpec, state: State, listed: ReadonlyArray<Token>, begun: number) =>
  Effect.gen(function* () {
    const isFiles = listed.some(({ library }) => quirksOf(library, {}).isFiles)
    if (begun - state.lookedAt < (isFiles ? filesAgainAfterMs : listAgainAfterMs)) return listed
    state.lookedAt = begun
    if (isFiles) yield* Effect.sleep(writtenWithinMs)
    const now = yield* monotonicNow
    return yield* spec.listing.tokens(isFiles ? 0 : now - begun + 1, "newHost")
  })

/** Whole or not at all, whatever becomes of the request that wants it. */
const startTokenActor = (
  spec: TokenActorsSpec,
  state: State,
  supervisor: DynamicSupervisorHandle,
  token: Token
): Effect.Effect<TokenActorEntry, TokenActorFailed> =>
  Effect.gen(function* () {
    const spare = yield* spec.listing.takeHost
    let first = spare && { connection: makeTokenConnection(spare.host, token, spare.since), scope: spare.scope }
    // For its first incarnation; the next ones start a host of their own.
    const takeFirst = () => {
      const taken = first
      first = undefined
      return taken
    }
    const place = yield* address<TokenProtocol>({
      name: freeName(state, `cryptoki/${tokenName(token)}`),
      mailbox: { capacity: mostRequests, overflow: { policy: "refuse" } }
    })
    yield* supervisor
      .add(child(place, tokenActorBehaviour({ ...spec, token, takeFirst }), { restart: "permanent" }))
      .pipe(
        Effect.tapError(() => (spare ? Scope.close(spare.scope, Exit.void) : Effect.void)),
        Effect.mapError(() => new TokenActorFailed({ token: tokenName(token), state: "parked" }))
      )
    const tokenActor = { ref: place.ref, token, creating: new FifoSemaphore(1) }
    state.tokenActors.set(tokenIdentity(token), tokenActor)
    return tokenActor
  }).pipe(Effect.uninterruptible)

/** Two tokens may have the same label. */
const freeName = ({ tokenActors }: State, name: string): string => {
  const taken = [...tokenActors.values()].filter(
    ({ ref }) => ref.name === name || ref.name.startsWith(`${name} #`)
  ).length
  return taken === 0 ? name : `${name} #${taken + 1}`
}

const forget = (meant: Map<string, TokenActorEntry>, tokenActor: TokenActorEntry): void => {
  for (const [uri, one] of meant) if (one === tokenActor) meant.delete(uri)
}

/** A token that was not there is not looked for sooner. */
const listAgainAfterMs = 30_000
const filesAgainAfterMs = 1_000
/** Bounds what clients with many URIs can make us remember. */
const rememberedUris = 256
