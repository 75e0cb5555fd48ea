/**
 * Keeps one token usable: starts its host when somebody asks, and replaces it when it broke or the token went away.
 *
 * Replacements come at 0, 1, 2, then every 4 seconds, counted from the last call that did its work; only while a
 * request waits, or one came within `keepLookingMs`. All who wait share the attempts. A request is refused after
 * three attempts, or after the next one when the token has been gone for longer: who wants to come back at once
 * listens to TokenPlugged, which comes from the looking that goes on.
 */
import { Deferred, Effect, Exit, Result, Scope } from "effect"
import { type TokenRefusal, TokenUnavailable } from "../../../messages/token-refusals.ts"
import { monotonicNow } from "../../../runtime/primitives/monotonic-time.ts"
import type { Publish } from "../settings.ts"
import type { Seat } from "./token-connection.ts"

export interface SeatKeeper {
  /** The seat, waiting for it as said above. */
  readonly take: Effect.Effect<Seat, TokenRefusal>
  /** The seat is no good any more. Calls about a seat that was given up before change nothing. */
  readonly lose: (seat: Seat, why: Loss) => Effect.Effect<void>
  /** The token did its work. */
  readonly proven: Effect.Effect<void>
}

/** `removed`: the module said that the token is not there. `stale`: nothing broke, a new host may see more. */
export interface Loss {
  readonly kind: "broken" | "removed" | "stale"
  readonly refusal: TokenRefusal
  readonly reason: string
}

export interface SeatKeeperSpec {
  /** The token's name for people. */
  readonly token: string
  /** A host with the token in it; undefined: the host works, the token is not there. The scope ends it. */
  readonly open: Effect.Effect<Seat | undefined, TokenRefusal, Scope.Scope>
  /** A seat that is there already, with the scope that ends it. */
  readonly first: OwnedSeat | undefined
  /** Runs as long as the lane. */
  readonly task: (effect: Effect.Effect<void>) => Effect.Effect<void>
  /** Before the first use after the token was out. */
  readonly reinserted: (seat: Seat) => Effect.Effect<void>
  readonly publish: Publish
  readonly keepLookingMs: number
  /** End the host when nobody took the seat for so long; undefined: never. */
  readonly idleMs: number | undefined
}

export interface OwnedSeat {
  readonly seat: Seat
  readonly scope: Scope.Closeable
}

/** What a keeper remembers. */
interface State {
  owned: OwnedSeat | undefined
  /** Completed by the attempt that is under way, or by the next one. */
  attempt: Deferred.Deferred<Seat, TokenRefusal>
  isTrying: boolean
  /** Losses and failed attempts since the token last did its work. */
  failures: number
  lastAttempt: number
  waiting: number
  lookUntil: number
  /** Why the last seat was lost, until there is a new one. */
  lost: Loss | undefined
  /** When seats were lost that were not merely stale, in the last `troubledMs`. */
  losses: ReadonlyArray<number>
  /** The last seat's host is ending. */
  closing: Deferred.Deferred<void> | undefined
  /** Whether TokenGone was told, and the token was seen to be out. */
  isGone: boolean
  wasOut: boolean
  lastTaken: number
}

export const makeSeatKeeper = (spec: SeatKeeperSpec): Effect.Effect<SeatKeeper, never, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Effect.scope
    const state: State = {
      owned: undefined,
      attempt: Deferred.makeUnsafe(),
      isTrying: false,
      failures: 0,
      lastAttempt: Number.NEGATIVE_INFINITY,
      waiting: 0,
      lookUntil: 0,
      lost: undefined,
      losses: [],
      closing: undefined,
      isGone: false,
      wasOut: false,
      lastTaken: yield* monotonicNow
    }
    const keeper = { spec, state, scope }
    const { first } = spec
    if (first) {
      yield* Effect.addFinalizer((exit) => Scope.close(first.scope, exit))
      yield* settle(keeper, first)
    }
    return {
      take: take(keeper),
      lose: (seat, why) => lose(keeper, seat, why),
      proven: Effect.map(monotonicNow, (now) => {
        if (state.failures > 0) state.failures = failuresLeft(state, now)
      })
    }
  })

interface Keeper {
  readonly spec: SeatKeeperSpec
  readonly state: State
  readonly scope: Scope.Scope
}

const take = (keeper: Keeper): Effect.Effect<Seat, TokenRefusal> =>
  Effect.flatMap(monotonicNow, (now) => {
    const { state, spec } = keeper
    state.lastTaken = now
    if (state.owned) return Effect.succeed(state.owned.seat)
    state.lookUntil = now + spec.keepLookingMs
    return awaitSeat(keeper, state.failures <= 1 ? 3 : 1)
  })

/** Waits for the outcome of at most so many attempts. */
const awaitSeat = (keeper: Keeper, attempts: number): Effect.Effect<Seat, TokenRefusal> =>
  Effect.suspend(() => {
    const { state } = keeper
    const outcome = Deferred.await(state.attempt)
    state.waiting += 1
    const left = Effect.sync(() => {
      state.waiting -= 1
    })
    return Effect.andThen(startTrying(keeper), outcome).pipe(
      Effect.ensuring(left),
      Effect.catch((refusal) => (attempts > 1 ? awaitSeat(keeper, attempts - 1) : Effect.fail(refusal)))
    )
  })

const startTrying = (keeper: Keeper): Effect.Effect<void> =>
  Effect.suspend(() => {
    const { state, spec } = keeper
    if (state.isTrying) return Effect.void
    state.isTrying = true
    return spec.task(keepTrying(keeper))
  })

const keepTrying = (keeper: Keeper): Effect.Effect<void> =>
  Effect.gen(function* () {
    const { state } = keeper
    while (state.owned === undefined) {
      const now = yield* monotonicNow
      const wait = state.lastAttempt + delayAfter(state.failures) - now
      if (wait > 0) yield* Effect.sleep(wait)
      if (state.waiting === 0 && (yield* monotonicNow) >= state.lookUntil) break
      yield* attempt(keeper)
    }
    state.isTrying = false
  })

const attempt = (keeper: Keeper): Effect.Effect<void> =>
  Effect.gen(function* () {
    const { state, spec } = keeper
    const outcome = state.attempt
    // The next host may need what the last one holds: a reader, a TPM.
    if (state.closing) yield* Effect.timeoutOption(Deferred.await(state.closing), releaseMs)
    state.lastAttempt = yield* monotonicNow
    const scope = yield* Scope.fork(keeper.scope)
    const opened = yield* Effect.result(Scope.provide(spec.open, scope))
    state.attempt = Deferred.makeUnsafe()
    if (Result.isSuccess(opened) && opened.success !== undefined) {
      yield* settle(keeper, { seat: opened.success, scope })
      return void (yield* Deferred.succeed(outcome, opened.success))
    }
    yield* Scope.close(scope, Exit.void)
    state.failures += 1
    const refusal = Result.isFailure(opened) ? opened.failure : notThere(spec.token)
    if (Result.isSuccess(opened)) state.wasOut = true
    yield* tellGone(keeper, refusal)
    yield* Deferred.fail(outcome, refusal)
  })

/** From now on this seat is given out. */
const settle = (keeper: Keeper, owned: OwnedSeat): Effect.Effect<void> =>
  Effect.gen(function* () {
    const { state, spec } = keeper
    if (state.wasOut) yield* spec.reinserted(owned.seat)
    if (state.lost) yield* spec.publish({ _tag: "HostReplaced", token: spec.token, reason: state.lost.reason })
    if (state.isGone) yield* spec.publish({ _tag: "TokenPlugged", token: spec.token })
    state.wasOut = false
    state.isGone = false
    state.lost = undefined
    state.owned = owned
    if (spec.idleMs !== undefined) yield* spec.task(endWhenIdle(keeper, owned, spec.idleMs))
  })

const lose = (keeper: Keeper, seat: Seat, why: Loss): Effect.Effect<void> =>
  Effect.gen(function* () {
    const { state, spec } = keeper
    const owned = state.owned
    if (owned?.seat !== seat) return
    state.owned = undefined
    state.lost = why
    // A stale host is no failure: its successor may come at once, and the next as well.
    if (why.kind !== "stale") {
      const now = yield* monotonicNow
      state.losses = [...recent(state.losses, now), now]
      state.failures += 1
    }
    if (why.kind === "removed") {
      state.wasOut = true
      yield* tellGone(keeper, why.refusal)
    }
    // Not here: it finishes the calls that other requests wait for.
    yield* spec.task(closeSeat(keeper, owned))
  }).pipe(Effect.uninterruptible)

/** From this call on, not from its run, the next attempt waits for it. */
const closeSeat = ({ state }: Keeper, { scope }: OwnedSeat): Effect.Effect<void> => {
  const closing = Deferred.makeUnsafe<void>()
  state.closing = closing
  return Effect.uninterruptible(
    Effect.andThen(Scope.close(scope, Exit.void), Effect.asVoid(Deferred.succeed(closing, undefined)))
  )
}

const recent = (losses: ReadonlyArray<number>, now: number) => losses.filter((at) => now - at < troubledMs)

/** A token that works and breaks in turn waits longer each time, too: two hosts in a minute are free. */
const failuresLeft = (state: State, now: number): number => {
  state.losses = recent(state.losses, now)
  return Math.max(0, state.losses.length - 2)
}

const tellGone = ({ state, spec }: Keeper, refusal: TokenRefusal): Effect.Effect<void> => {
  if (state.isGone) return Effect.void
  state.isGone = true
  return spec.publish({ _tag: "TokenGone", token: spec.token, reason: refusal._tag })
}

const endWhenIdle = (keeper: Keeper, owned: OwnedSeat, idleMs: number): Effect.Effect<void> =>
  Effect.gen(function* () {
    const { state } = keeper
    while (state.owned === owned) {
      const idle = (yield* monotonicNow) - state.lastTaken
      if (idle < idleMs) {
        yield* Effect.sleep(idleMs - idle)
        continue
      }
      state.owned = undefined
      yield* closeSeat(keeper, owned)
    }
  })

const notThere = (token: string) => new TokenUnavailable({ token, call: "C_GetSlotList", code: undefined, detail: "" })

const troubledMs = 60_000
/** How long a new host waits for the end of the last one; a signature that waits for a touch may take longer. */
const releaseMs = 2000

/** Before the attempt that follows so many failures, in milliseconds. */
const delayAfter = (failures: number): number => [0, 0, 1000, 2000][failures] ?? 4000
