/**
 * What a TokenActor owns: the reconnector of its token, and how the token's host is found and opened.
 */
import { Effect, type Scope } from "effect"
import { type TimeLimits, timeLimits } from "../../../runtime/primitives/deadlines.ts"
import { monotonicNow } from "../../../runtime/primitives/monotonic-time.ts"
import { refusalOn } from "../host/faults.ts"
import type { TokenHost } from "../host/host-client.ts"
import type { Hosts } from "../host/hosts.ts"
import { type Token, tokenIdentity, tokenName } from "../pkcs11/token-facts.ts"
import { makeReconnector, type OwnedConnection, type Reconnector } from "./reconnector.ts"
import { latchedToken, makeTokenConnection, type TokenTools } from "./session.ts"

export interface TokenActorSpec {
  readonly tools: TokenTools
  readonly hosts: Hosts
  readonly token: Token
  /** The host that listed the token, if it may be kept; once. */
  readonly takeFirst: () => OwnedConnection | undefined
}

/** What the work on one token shares. */
export interface TokenContext {
  readonly tools: TokenTools
  readonly reconnector: Reconnector
  readonly token: string
  /** Of the running calls. */
  readonly times: TimeLimits
  /** URIs whose key was not found, and for which the host was replaced once already. */
  readonly refreshed: Set<string>
  /** When a host may next be replaced because of a missing key; monotonic milliseconds. */
  mayRefreshAt: number
}

/** `task`: runs an effect as long as the token actor. */
export const openTokenContext = (
  spec: TokenActorSpec,
  task: (effect: Effect.Effect<void>) => Effect.Effect<void>
): Effect.Effect<TokenContext, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { tools } = spec
    const token = tokenName(spec.token)
    const first = spec.takeFirst()
    let last: TokenHost | undefined = first?.connection.host
    const open = Effect.gen(function* () {
      const host = yield* spec.hosts.lease(last)
      last = host
      const now = yield* monotonicNow
      const tokens = yield* host.call("tokens", {}, tools.settings.limits.listMs)
      const facts = tokens.find(
        (one) => tokenIdentity({ facts: one, library: host.library }) === tokenIdentity(spec.token)
      )
      return facts && makeTokenConnection(host, { facts, library: host.library }, now)
    }).pipe(Effect.mapError((fault) => refusalOn(fault, spec.token)))
    const reconnector = yield* makeReconnector({
      token,
      open,
      first,
      task,
      reinserted: (connection) => tools.latch.reinserted(latchedToken(connection.token)),
      publish: tools.publish,
      keepLookingMs: tools.settings.keepLookingMs,
      idleMs: tools.settings.idleHostEnds ? idleMs : undefined
    })
    return { tools, reconnector, token, times: yield* timeLimits, refreshed: new Set(), mayRefreshAt: 0 }
  })

const idleMs = 60_000
