/**
 * Which tokens there are: asked of a short-lived host, which the first lane may take over.
 *
 * Requests that come while a listing runs share it. Readers wedge when a module is loaded over and over, so who
 * looks for a token that was not there a moment ago gets the answer of that moment.
 */
import { Deferred, Effect, Exit, Scope } from "effect"
import { matchesToken } from "../../messages/pkcs11-uri-match.ts"
import { mergeScope } from "../../messages/pkcs11-uri-scope.ts"
import type { TokenRefusal } from "../../messages/token-refusals.ts"
import { monotonicNow } from "../../runtime/monotonic-time.ts"
import type { TokenHost } from "./host-client.ts"
import type { Hosts } from "./hosts.ts"
import { refusalOf } from "./refusals.ts"
import type { CryptokiSettings } from "./settings.ts"
import { matchable, type Token } from "./token-facts.ts"

export interface Listing {
  /** The tokens the scope allows, in the module's order; not older than `notOlderMs`. */
  readonly tokens: (notOlderMs: number) => Effect.Effect<ReadonlyArray<Token>, TokenRefusal>
  /** The host that listed last, if it is still there; it then belongs to whoever took it. */
  readonly takeHost: Effect.Effect<ListingHost | undefined>
  /** What was listed is no longer true. */
  readonly forget: Effect.Effect<void>
}

export interface ListingHost {
  readonly host: TokenHost
  readonly scope: Scope.Closeable
  readonly since: number
}

export interface ListingSpec {
  readonly settings: CryptokiSettings
  readonly hosts: Pick<Hosts, "lease">
  /** Runs as long as the actor. */
  readonly task: (effect: Effect.Effect<void>) => Effect.Effect<void>
}

type Outcome = Deferred.Deferred<ReadonlyArray<Token>, TokenRefusal>

interface State {
  running: Outcome | undefined
  last: { readonly tokens: ReadonlyArray<Token>; readonly at: number } | undefined
  spare: ListingHost | undefined
}

export const makeListing = (spec: ListingSpec): Effect.Effect<Listing, never, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Effect.scope
    const state: State = { running: undefined, last: undefined, spare: undefined }
    return {
      tokens: (notOlderMs) =>
        Effect.gen(function* () {
          const now = yield* monotonicNow
          if (state.last && now - state.last.at < notOlderMs) return state.last.tokens
          const running = state.running ?? Deferred.makeUnsafe<ReadonlyArray<Token>, TokenRefusal>()
          if (state.running === undefined) {
            state.running = running
            yield* spec.task(list(spec, state, scope, running))
          }
          return yield* Deferred.await(running)
        }),
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

const list = (spec: ListingSpec, state: State, scope: Scope.Scope, outcome: Outcome): Effect.Effect<void> =>
  Effect.gen(function* () {
    const since = yield* monotonicNow
    const own = yield* Scope.fork(scope)
    const listed = yield* Effect.exit(Scope.provide(listTokens(spec), own))
    state.running = undefined
    if (Exit.isFailure(listed)) {
      yield* Deferred.failCause(outcome, listed.cause)
      return yield* Scope.close(own, listed)
    }
    const { host, tokens } = listed.value
    state.last = { tokens, at: yield* monotonicNow }
    const spare = { host, scope: own, since }
    const replaced = state.spare
    state.spare = spare
    yield* Deferred.succeed(outcome, tokens)
    // Who listed before finds another spare than its own, and takes that for a host that was taken over.
    if (replaced) yield* Scope.close(replaced.scope, Exit.void)
    yield* Effect.sleep(spareMs)
    if (state.spare !== spare) return
    state.spare = undefined
    yield* Scope.close(own, Exit.void)
  })

const listTokens = ({ settings, hosts }: ListingSpec) =>
  Effect.gen(function* () {
    const host = yield* hosts.lease(undefined)
    const facts = yield* host.call("tokens", {}, settings.limits.listMs)
    const tokens = facts
      .map((one) => ({ facts: one, library: host.library }))
      .filter((token) => isAllowed(settings, token))
    return { host, tokens }
  }).pipe(Effect.mapError((fault) => refusalOf(fault, settings.modulePath)))

const isAllowed = ({ scope }: CryptokiSettings, token: Token): boolean =>
  matchesToken(mergeScope(scope, {}).uri, matchable(token))

/** How long a host that has listed waits for a lane to take it over, in milliseconds. */
const spareMs = 500
