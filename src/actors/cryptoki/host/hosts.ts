/**
 * Provides token hosts: one per user, or one for all if the module allows no second process.
 */
import { Deferred, Effect, Exit, Scope, Semaphore } from "effect"
import type { HostNotStarted } from "../../../messages/token-refusals.ts"
import { monotonicNow } from "../../../runtime/primitives/monotonic-time.ts"
import { quirksOf } from "../pkcs11/quirks.ts"
import type { CryptokiSettings } from "../settings.ts"
import type { HostSettings } from "./child-process.ts"
import type { StartFault } from "./faults.ts"
import { startHost, type TokenHost } from "./host-client.ts"

export interface Hosts {
  /** A host until the scope closes. `broken`: the previous one of this caller; it is not returned again. */
  readonly lease: (broken: TokenHost | undefined) => Effect.Effect<TokenHost, StartFault, Scope.Scope>
  /**
   * For optional work: undefined if a host is in use, or several were started just now. Each is a process, and
   * clients could have any number of them started.
   */
  readonly spare: Effect.Effect<TokenHost | undefined, StartFault, Scope.Scope>
  /**
   * One that is in use and idle, so that a request need not load another. A host with a
   * running call is not used: the module may block the request until a touch, and its limit would end both.
   */
  readonly idle: () => TokenHost | undefined
}

export type StartHost = (settings: HostSettings) => Effect.Effect<TokenHost, StartFault, Scope.Scope>

/** `scope`: a shared host ends with it at the latest. */
export const makeHosts = (
  settings: CryptokiSettings,
  start: StartHost = startHost
): Effect.Effect<Hosts, never, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Effect.scope
    const spec = {
      modulePath: settings.modulePath,
      initializeMs: settings.limits.initializeMs,
      environment: settings.environment,
      user: settings.hostUser,
      onCall: settings.onCall
    }
    const state: State = {
      isShared: undefined,
      current: undefined,
      ending: undefined,
      changing: Semaphore.makeUnsafe(1)
    }
    const loaded = new Set<TokenHost>()
    const started = Effect.tap(withPauses(start(spec)), (host) => {
      state.isShared = quirksOf(host.library, settings.environment).sharedModule
      return Effect.acquireRelease(
        Effect.sync(() => loaded.add(host)),
        () => Effect.sync(() => loaded.delete(host))
      )
    })
    const leaseShared = (broken: TokenHost | undefined) =>
      Effect.gen(function* () {
        if (broken && state.current?.host === broken) yield* endShared(state)
        if (state.current) return yield* use(state, state.current)
        if (state.ending) yield* Deferred.await(state.ending)
        if (state.isShared === false) return yield* started
        const own = yield* Scope.fork(scope)
        const host = yield* Effect.onError(Scope.provide(started, own), (cause) =>
          Scope.close(own, Exit.failCause(cause))
        )
        if (state.isShared) {
          state.current = { host, scope: own, users: 0 }
          return yield* use(state, state.current)
        }
        yield* Effect.addFinalizer((exit) => Scope.close(own, exit))
        return host
      })
    // Until the first host has reported which module it is, they start one after the other.
    const lease = (broken: TokenHost | undefined) =>
      Effect.suspend(() => (state.isShared === false ? started : state.changing.withPermit(leaseShared(broken))))
    return {
      lease,
      spare: spareHosts(lease(undefined)),
      idle: () => [...loaded].findLast((host) => host.isIdle())
    }
  })

/** While processes cannot be started, requests do not retry one after the other: delays of 0.5 s, doubling up to 4 s. */
const withPauses = (start: ReturnType<StartHost>): ReturnType<StartHost> => {
  let failures = 0
  let pause: { readonly untilMs: number; readonly because: HostNotStarted } | undefined
  return Effect.gen(function* () {
    if (pause && (yield* monotonicNow) < pause.untilMs) return yield* Effect.fail(pause.because)
    const host = yield* Effect.tapError(start, (fault) =>
      Effect.map(monotonicNow, (now) => {
        if (fault._tag !== "HostNotStarted") return
        pause = { untilMs: now + Math.min(4000, 500 * 2 ** failures), because: fault }
        failures += 1
      })
    )
    failures = 0
    return host
  })
}

const spareHosts = (lease: Hosts["spare"]): Hosts["spare"] => {
  let isTaken = false
  let leasedAt: ReadonlyArray<number> = []
  const take = (now: number) =>
    Effect.acquireRelease(
      Effect.sync(() => {
        isTaken = true
        leasedAt = [...leasedAt, now]
      }),
      () =>
        Effect.sync(() => {
          isTaken = false
        })
    )
  return Effect.flatMap(monotonicNow, (now) => {
    leasedAt = leasedAt.filter((at) => now - at < spareWindowMs)
    return isTaken || leasedAt.length >= sparesInWindow ? Effect.succeed(undefined) : Effect.andThen(take(now), lease)
  })
}

const sparesInWindow = 5
const spareWindowMs = 30_000

interface Leased {
  readonly host: TokenHost
  readonly scope: Scope.Closeable
  users: number
}

interface State {
  /** Undefined: no host has reported yet. */
  isShared: boolean | undefined
  current: Leased | undefined
  /** The last shared host is shutting down; the module allows no second process before that. */
  ending: Deferred.Deferred<void> | undefined
  readonly changing: Semaphore.Semaphore
}

const use = (state: State, leased: Leased): Effect.Effect<TokenHost, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      leased.users += 1
      return leased.host
    }),
    () => {
      leased.users -= 1
      return leased.users === 0 && state.current === leased ? endShared(state) : Effect.void
    }
  )

const endShared = (state: State): Effect.Effect<void> =>
  Effect.suspend(() => {
    const leased = state.current
    state.current = undefined
    if (leased === undefined) return Effect.void
    const ended = Deferred.makeUnsafe<void>()
    state.ending = ended
    return Effect.ensuring(Scope.close(leased.scope, Exit.void), Deferred.succeed(ended, undefined))
  })
