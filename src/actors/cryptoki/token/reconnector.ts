/**
 * Keeps one token usable: starts its host on the first request, and replaces it after a fault or a removal of the token.
 *
 * Replacements come after 0, 1, 2, then every 4 seconds (retry-policy.ts), counted from the last successful call; only
 * while a request waits, or one came within `keepPollingMs`. All waiting requests share the attempts. A caller that wants
 * to retry after a refusal subscribes to TokenPlugged, which the polling publishes.
 */
import { Deferred, Effect, Exit, Result, Scope } from "effect"
import { type TokenRefusal, TokenUnavailable } from "../../../messages/token-refusals.ts"
import { monotonicNow } from "../../../runtime/primitives/monotonic-time.ts"
import type { Publish } from "../settings.ts"
import { attemptsAwaited, delayAfter, failuresLeft, type HostReplacement, recentLosses } from "./retry-policy.ts"
import type { TokenConnection } from "./session.ts"

export interface Reconnector {
  /** The connection; waits for it as described above. */
  readonly acquire: Effect.Effect<TokenConnection, TokenRefusal>
  /** The connection is unusable. Calls about an earlier connection have no effect. */
  readonly invalidate: (connection: TokenConnection, why: HostReplacement) => Effect.Effect<void>
  /** A call on the token succeeded. */
  readonly markHealthy: Effect.Effect<void>
}

interface ReconnectorSpec {
  /** The token's display name. */
  readonly token: string
  /** A host with the token in it; undefined: the host works, the token is missing. The scope ends it. */
  readonly open: Effect.Effect<TokenConnection | undefined, TokenRefusal, Scope.Scope>
  /** An existing connection, with the scope that ends it. */
  readonly first: OwnedConnection | undefined
  /** Runs as long as the token actor. */
  readonly task: (effect: Effect.Effect<void>) => Effect.Effect<void>
  /** Before the first use after the token was removed. */
  readonly reinserted: (connection: TokenConnection) => Effect.Effect<void>
  readonly publish: Publish
  readonly keepPollingMs: number
  /** Ends the host when the connection was not used for this long; undefined: never. */
  readonly idleMs: number | undefined
}

export interface OwnedConnection {
  readonly connection: TokenConnection
  readonly scope: Scope.Closeable
}

/** The state of a reconnector. */
interface State {
  owned: OwnedConnection | undefined
  /** Completed by the current attempt, or by the next one. */
  attempt: Deferred.Deferred<TokenConnection, TokenRefusal>
  isTrying: boolean
  /** Losses and failed attempts since the last success of the token. */
  failures: number
  lastAttempt: number
  waiting: number
  pollUntil: number
  /** Why the last connection was lost, until there is a new one. */
  lost: HostReplacement | undefined
  /** When connections were recently lost for a fault (not stale). */
  losses: ReadonlyArray<number>
  /** The last connection's host is shutting down. */
  closing: Deferred.Deferred<void> | undefined
  /** Whether TokenGone was published, and the token was seen to be missing. */
  isGone: boolean
  wasOut: boolean
  lastAcquired: number
}

export const makeReconnector = (spec: ReconnectorSpec): Effect.Effect<Reconnector, never, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Effect.scope
    const state: State = {
      owned: undefined,
      attempt: Deferred.makeUnsafe(),
      isTrying: false,
      failures: 0,
      lastAttempt: Number.NEGATIVE_INFINITY,
      waiting: 0,
      pollUntil: 0,
      lost: undefined,
      losses: [],
      closing: undefined,
      isGone: false,
      wasOut: false,
      lastAcquired: yield* monotonicNow
    }
    const self = { spec, state, scope }
    const { first } = spec
    if (first) {
      yield* Effect.addFinalizer((exit) => Scope.close(first.scope, exit))
      yield* adopt(self, first)
    }
    return {
      acquire: acquire(self),
      invalidate: (connection, why) => invalidate(self, connection, why),
      markHealthy: Effect.map(monotonicNow, (now) => {
        if (state.failures === 0) return
        state.losses = recentLosses(state.losses, now)
        state.failures = failuresLeft(state.losses)
      })
    }
  })

interface Internals {
  readonly spec: ReconnectorSpec
  readonly state: State
  readonly scope: Scope.Scope
}

const acquire = (self: Internals): Effect.Effect<TokenConnection, TokenRefusal> =>
  Effect.flatMap(monotonicNow, (now) => {
    const { state, spec } = self
    state.lastAcquired = now
    if (state.owned) return Effect.succeed(state.owned.connection)
    state.pollUntil = now + spec.keepPollingMs
    return awaitConnection(self, attemptsAwaited(state.failures))
  })

/** Waits for the outcome of at most so many attempts. */
const awaitConnection = (self: Internals, attempts: number): Effect.Effect<TokenConnection, TokenRefusal> =>
  Effect.suspend(() => {
    const { state } = self
    const outcome = Deferred.await(state.attempt)
    state.waiting += 1
    const left = Effect.sync(() => {
      state.waiting -= 1
    })
    return Effect.andThen(startTrying(self), outcome).pipe(
      Effect.ensuring(left),
      Effect.catch((refusal) => (attempts > 1 ? awaitConnection(self, attempts - 1) : Effect.fail(refusal)))
    )
  })

const startTrying = (self: Internals): Effect.Effect<void> =>
  Effect.suspend(() => {
    const { state, spec } = self
    if (state.isTrying) return Effect.void
    state.isTrying = true
    return spec.task(keepTrying(self))
  })

const keepTrying = (self: Internals): Effect.Effect<void> =>
  Effect.gen(function* () {
    const { state } = self
    while (state.owned === undefined) {
      const now = yield* monotonicNow
      const wait = state.lastAttempt + delayAfter(state.failures) - now
      if (wait > 0) yield* Effect.sleep(wait)
      if (state.waiting === 0 && (yield* monotonicNow) >= state.pollUntil) break
      yield* openHost(self)
    }
    state.isTrying = false
  })

const openHost = (self: Internals): Effect.Effect<void> =>
  Effect.gen(function* () {
    const { state, spec } = self
    const outcome = state.attempt
    // The next host may need a resource of the last one: a reader, a TPM.
    if (state.closing) yield* Effect.timeoutOption(Deferred.await(state.closing), releaseMs)
    state.lastAttempt = yield* monotonicNow
    const scope = yield* Scope.fork(self.scope)
    const opened = yield* Effect.result(Scope.provide(spec.open, scope))
    state.attempt = Deferred.makeUnsafe()
    if (Result.isSuccess(opened) && opened.success !== undefined) {
      yield* adopt(self, { connection: opened.success, scope })
      return void (yield* Deferred.succeed(outcome, opened.success))
    }
    yield* Scope.close(scope, Exit.void)
    state.failures += 1
    const refusal = Result.isFailure(opened)
      ? opened.failure
      : new TokenUnavailable({ token: spec.token, call: "C_GetSlotList", code: undefined, detail: "" })
    if (Result.isSuccess(opened)) state.wasOut = true
    yield* publishGone(self, refusal)
    yield* Deferred.fail(outcome, refusal)
  })

/** From now on this connection is returned. */
const adopt = (self: Internals, owned: OwnedConnection): Effect.Effect<void> =>
  Effect.gen(function* () {
    const { state, spec } = self
    if (state.wasOut) yield* spec.reinserted(owned.connection)
    if (state.lost) yield* spec.publish({ _tag: "HostReplaced", token: spec.token, reason: state.lost.reason })
    if (state.isGone) yield* spec.publish({ _tag: "TokenPlugged", token: spec.token })
    state.wasOut = false
    state.isGone = false
    state.lost = undefined
    state.owned = owned
    if (spec.idleMs !== undefined) yield* spec.task(endWhenIdle(self, owned, spec.idleMs))
  })

const invalidate = (self: Internals, connection: TokenConnection, why: HostReplacement): Effect.Effect<void> =>
  Effect.gen(function* () {
    const { state, spec } = self
    const owned = state.owned
    if (owned?.connection !== connection) return
    state.owned = undefined
    state.lost = why
    // A stale host is not a failure: its successor may start immediately, and the next as well.
    if (why.kind !== "stale") {
      const now = yield* monotonicNow
      state.losses = [...recentLosses(state.losses, now), now]
      state.failures += 1
    }
    if (why.kind === "removed") {
      state.wasOut = true
      yield* publishGone(self, why.refusal)
    }
    // Not here: it completes the calls of other requests.
    yield* spec.task(closeConnection(self, owned))
  }).pipe(Effect.uninterruptible)

/** From this call on, not from its run, the next attempt waits for it. */
const closeConnection = ({ state }: Internals, { scope }: OwnedConnection): Effect.Effect<void> => {
  const closing = Deferred.makeUnsafe<void>()
  state.closing = closing
  return Effect.uninterruptible(
    Effect.andThen(Scope.close(scope, Exit.void), Effect.asVoid(Deferred.succeed(closing, undefined)))
  )
}

const publishGone = ({ state, spec }: Internals, refusal: TokenRefusal): Effect.Effect<void> => {
  if (state.isGone) return Effect.void
  state.isGone = true
  return spec.publish({ _tag: "TokenGone", token: spec.token, reason: refusal._tag })
}

const endWhenIdle = (self: Internals, owned: OwnedConnection, idleMs: number): Effect.Effect<void> =>
  Effect.gen(function* () {
    const { state } = self
    while (state.owned === owned) {
      const idle = (yield* monotonicNow) - state.lastAcquired
      if (idle < idleMs) {
        yield* Effect.sleep(idleMs - idle)
        continue
      }
      state.owned = undefined
      yield* closeConnection(self, owned)
    }
  })

/** How long a new host waits for the end of the last one; a signature that waits for a touch may take longer. */
const releaseMs = 2000
