/**
 * The existing tokens: listed by a host that has loaded the module, or by a new one, which the first token actor may
 * take over.
 *
 * Loading takes seconds with some cards, and a second process ends the card login of the first. So a new host is used
 * only for modules that read tokens when they are loaded, and for missing tokens. Requests during a listing share it.
 * Readers can hang when a module is loaded over and over, so repeated requests for a missing token get
 * the previous result for a while.
 */
import { Deferred, Effect, Exit, Scope } from "effect"
import { isInScope } from "../../../messages/pkcs11-uri-match.ts"
import { mergeScope } from "../../../messages/pkcs11-uri-scope.ts"
import type { TokenRefusal } from "../../../messages/token-refusals.ts"
import { monotonicNow } from "../../../runtime/primitives/monotonic-time.ts"
import { type HostFault, refusalOf } from "../host/faults.ts"
import type { TokenHost } from "../host/host-client.ts"
import type { Hosts } from "../host/hosts.ts"
import { readsTokensOnce } from "../pkcs11/quirks.ts"
import { isInitialized, matchable, type Token, tokenIdentity } from "../pkcs11/token-facts.ts"
import type { CryptokiSettings } from "../settings.ts"

export interface Listing {
  /**
   * The tokens the scope allows, in the module's order; not older than `notOlderMs`. `newHost`: a token is missing, and
   * a loaded module may not see it.
   */
  readonly tokens: (notOlderMs: number, by?: ListedBy) => Effect.Effect<ReadonlyArray<Token>, TokenRefusal>
  /** The host that listed last, if it still exists; it then belongs to its new owner. */
  readonly takeHost: Effect.Effect<ListingHost | undefined>
  /** Invalidates the last result. */
  readonly forget: Effect.Effect<void>
}

type ListedBy = "anyHost" | "newHost"

interface ListingHost {
  readonly host: TokenHost
  readonly scope: Scope.Closeable
  readonly since: number
}

interface ListingSpec {
  readonly settings: CryptokiSettings
  readonly hosts: Pick<Hosts, "lease" | "idle">
  /** Runs as long as the actor. */
  readonly task: (effect: Effect.Effect<void>) => Effect.Effect<void>
}

interface Running {
  readonly by: ListedBy
  readonly outcome: Deferred.Deferred<ReadonlyArray<Token>, TokenRefusal>
}

interface State {
  running: Running | undefined
  last: { readonly tokens: ReadonlyArray<Token>; readonly at: number; readonly by: ListedBy } | undefined
  /** All tokens of the last listing, including those outside of the scope. */
  seen: ReadonlyArray<Token>
  spare: ListingHost | undefined
}

export const makeListing = (spec: ListingSpec): Effect.Effect<Listing, never, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Effect.scope
    const state: State = { running: undefined, last: undefined, seen: [], spare: undefined }
    const tokens = (notOlderMs: number, by: ListedBy): Effect.Effect<ReadonlyArray<Token>, TokenRefusal> =>
      Effect.gen(function* () {
        const now = yield* monotonicNow
        const { last, running } = state
        if (last && now - last.at < notOlderMs && (by === "anyHost" || last.by === "newHost")) return last.tokens
        if (running) {
          const listed = Deferred.await(running.outcome)
          if (by === "anyHost" || running.by === "newHost") return yield* listed
          yield* Effect.exit(listed)
          return yield* tokens(0, by)
        }
        const own: Running = { by, outcome: Deferred.makeUnsafe() }
        state.running = own
        yield* spec.task(list(spec, state, scope, own))
        return yield* Deferred.await(own.outcome)
      })
    return {
      tokens: (notOlderMs, by = "anyHost") => tokens(notOlderMs, by),
      takeHost: Effect.sync(() => {
        const { spare } = state
        state.spare = undefined
        return spare
      }),
      forget: Effect.sync(() => {
        state.last = undefined
      })
    }
  })

const list = (spec: ListingSpec, state: State, scope: Scope.Scope, { by, outcome }: Running): Effect.Effect<void> =>
  Effect.gen(function* () {
    const idle = by === "anyHost" ? yield* askIdleHost(spec, state) : undefined
    if (idle) return yield* answer(spec, state, outcome, { by, tokens: idle })
    const own = yield* Scope.fork(scope)
    const listed = yield* Effect.exit(Scope.provide(askNewHost(spec), own))
    if (Exit.isFailure(listed)) {
      state.running = undefined
      yield* Deferred.failCause(outcome, listed.cause)
      return yield* Scope.close(own, listed)
    }
    const { host, tokens, since } = listed.value
    const spare = { host, scope: own, since }
    const replaced = state.spare
    state.spare = spare
    yield* answer(spec, state, outcome, { by: "newHost", tokens })
    // Who listed before finds another spare than its own, and takes that for a host that was taken over.
    if (replaced) yield* Scope.close(replaced.scope, Exit.void)
    yield* Effect.sleep(tokens.some(readsTokensOnce) ? agingSpareMs : spareMs)
    if (state.spare !== spare) return
    state.spare = undefined
    yield* Scope.close(own, Exit.void)
  })

const answer = (
  { settings }: ListingSpec,
  state: State,
  outcome: Running["outcome"],
  listed: { readonly by: ListedBy; readonly tokens: ReadonlyArray<Token> }
): Effect.Effect<void> =>
  Effect.gen(function* () {
    const scope = mergeScope(settings.scope, {}).uri
    const isAllowed = (token: Token) => isInScope(scope, { ...matchable(token), initialized: isInitialized(token) })
    const tokens = listed.tokens.filter(isAllowed)
    state.running = undefined
    state.seen = listed.tokens
    state.last = { tokens, at: yield* monotonicNow, by: listed.by }
    yield* Deferred.succeed(outcome, tokens)
  })

const askNewHost = ({ settings, hosts }: ListingSpec) =>
  Effect.gen(function* () {
    const host = yield* hosts.lease(undefined)
    const since = yield* monotonicNow
    return { host, since, tokens: yield* tokensOf(host, settings) }
  }).pipe(Effect.mapError((fault) => refusalOf(fault, settings.modulePath)))

/** Undefined: only a new host can list them. Also if a token is gone: the reader's service may have restarted. */
const askIdleHost = (
  { settings, hosts }: ListingSpec,
  { seen }: State
): Effect.Effect<ReadonlyArray<Token> | undefined> =>
  Effect.gen(function* () {
    const host = seen.length === 0 || seen.some(readsTokensOnce) ? undefined : hosts.idle()
    if (host === undefined) return undefined
    const listed = yield* tokensOf(host, settings)
    const there = new Set(listed.map(tokenIdentity))
    return seen.every((token) => there.has(tokenIdentity(token))) ? listed : undefined
  }).pipe(Effect.orElseSucceed(() => undefined))

export const tokensOf = (
  host: TokenHost,
  { limits }: CryptokiSettings
): Effect.Effect<ReadonlyArray<Token>, HostFault> =>
  Effect.map(host.call("tokens", {}, limits.listMs), (listed) =>
    listed.map((facts) => ({ facts, library: host.library }))
  )

/** How long a host that has listed waits for a token actor to take it over, in milliseconds. */
const spareMs = 10_000
/** Where its result may be outdated. */
const agingSpareMs = 2000
