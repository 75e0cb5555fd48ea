/**
 * What a TokenActor owns, and how it runs a request on its token, or with a key on it: again after a fault, as
 * retry-policy.ts says.
 */
import { Effect, Result, type Scope } from "effect"
import { shownUri } from "../../../messages/pkcs11-uri.ts"
import { OutcomeUnknown, PinRejected, type TokenRefusal } from "../../../messages/token-refusals.ts"
import { type TimeLimits, timeLimits } from "../../../runtime/primitives/deadlines.ts"
import { monotonicNow } from "../../../runtime/primitives/monotonic-time.ts"
import { CallRefused, type HostFault, isHostFault, refusalOn } from "../host/faults.ts"
import type { TokenHost } from "../host/host-client.ts"
import type { Hosts } from "../host/hosts.ts"
import { CKR_SESSION_CLOSED, CKR_SESSION_HANDLE_INVALID } from "../pkcs11/return-codes.ts"
import { type Token, tokenIdentity, tokenName } from "../pkcs11/token-facts.ts"
import { makeReconnector, type OwnedConnection, type Reconnector } from "./reconnector.ts"
import { searchKey } from "./resolve-key.ts"
import {
  afterFault,
  allChances,
  type Chances,
  type Remedy,
  refreshForKey,
  remedyFor,
  replacementFor
} from "./retry-policy.ts"
import {
  type Asker,
  closeSession,
  type FoundKey,
  hasReplacedPin,
  latchedToken,
  loggedIn,
  makeTokenConnection,
  type TokenConnection,
  type TokenSession,
  type TokenTools
} from "./session.ts"

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
      const { library } = host
      const now = yield* monotonicNow
      const tokens = yield* host.call("tokens", {}, tools.settings.limits.listMs)
      const facts = tokens.find((one) => tokenIdentity({ facts: one, library }) === tokenIdentity(spec.token))
      return facts && makeTokenConnection(host, { facts, library }, now)
    }).pipe(Effect.mapError((fault) => refusalOn(fault, spec.token)))
    const reconnector = yield* makeReconnector({
      token,
      open,
      first,
      task,
      reinserted: (connection) => tools.latch.reinserted(latchedToken(connection.token)),
      publish: tools.publish,
      keepPollingMs: tools.settings.keepPollingMs,
      idleMs: tools.settings.idleHostEnds ? 60_000 : undefined
    })
    return { tools, reconnector, token, times: yield* timeLimits, refreshed: new Set(), mayRefreshAt: 0 }
  })

/** `use` may be run again from its beginning: it must be idempotent. */
export const withConnection = <A>(
  context: TokenContext,
  use: (connection: TokenConnection) => Effect.Effect<A, TokenRefusal | HostFault>
): Effect.Effect<A, TokenRefusal> => run(context, use, allChances)

/** Logged in, with the key the asker means. */
export const withKey = <A>(
  context: TokenContext,
  asker: Asker,
  use: (connection: TokenConnection, found: FoundKey) => Effect.Effect<A, TokenRefusal | HostFault>
): Effect.Effect<A, TokenRefusal> => run(context, (connection) => useKey(context, connection, asker, use), allChances)

const useKey = Effect.fnUntraced(function* <A>(
  context: TokenContext,
  connection: TokenConnection,
  asker: Asker,
  use: (connection: TokenConnection, found: FoundKey) => Effect.Effect<A, TokenRefusal | HostFault>
): Effect.fn.Return<A, TokenRefusal | HostFault | HostStale> {
  const session = yield* loggedIn(context.tools, connection, asker)
  const found = yield* Effect.result(keyOf(context.tools, connection, session, asker))
  if (Result.isFailure(found))
    return yield* found.failure._tag === "KeyNotFound" && (yield* mayRefresh(context, connection, asker))
      ? Effect.fail({ _tag: "HostStale", refusal: found.failure } as const)
      : Effect.fail(found.failure)
  context.refreshed.delete(shownUri(asker.uri))
  return yield* use(connection, found.success)
})

/** Searched once for each session: later requests with the same URI, or with the one that is answered, get the same key. */
const keyOf = (tools: TokenTools, connection: TokenConnection, session: TokenSession, { uri, publicKey }: Asker) =>
  Effect.suspend(() => {
    const wanted = publicKey ? `${shownUri(uri)} ${Buffer.from(publicKey).toString("base64")}` : shownUri(uri)
    const known = session.keys.get(wanted)
    if (known) return Effect.succeed(known)
    return Effect.map(searchKey(tools, connection, uri, publicKey), (found) => {
      session.keys.set(wanted, found)
      session.keys.set(shownUri(tools.narrowed(found.reference)), found)
      return found
    })
  })

/** Nothing broke, and a new host may see more. */
interface HostStale {
  readonly _tag: "HostStale"
  readonly refusal: TokenRefusal
}

/** A kept handle may have died, or mean another object by now. Asked once for each handshake. */
export const revalidateKey = (
  { tools }: TokenContext,
  connection: TokenConnection,
  { object }: FoundKey
): Effect.Effect<void, HostFault> =>
  Effect.flatMap(
    connection.host.call(
      "check",
      { slot: connection.token.facts.slot, handle: object.handle, id: object.id },
      tools.settings.limits.listMs
    ),
    (isThere) =>
      isThere
        ? Effect.void
        : Effect.fail(new CallRefused({ call: "C_GetSessionInfo", code: CKR_SESSION_HANDLE_INVALID, detail: "" }))
  )

/**
 * For a call that changes the token and must not be made twice: puts the connection right, and says what is known of the
 * outcome. A code means that it was not done; a host that ended in it leaves the question open. A call that was not
 * made, or found no session or login, fails as it did: `withConnection` makes it again.
 */
export const repairAfter = (
  context: TokenContext,
  connection: TokenConnection,
  fault: HostFault,
  operation: OutcomeUnknown["operation"]
): Effect.Effect<never, TokenRefusal | HostFault> =>
  Effect.gen(function* () {
    const token = tokenName(connection.token)
    const remedy = remedyFor(fault)
    if (fault._tag === "HostEnded") return yield* Effect.fail(fault)
    // "Closed during the execution of the function": it may have been done. Source: PKCS #11 v2.40, 5.1.3.
    const wasBegun = fault._tag === "CallRefused" && fault.code === CKR_SESSION_CLOSED
    if (remedy === "session" && !wasBegun) return yield* Effect.fail(fault)
    yield* repair(context, connection, fault, remedy)
    return yield* fault._tag === "CallRefused"
      ? Effect.fail(refusalOn(fault, connection.token))
      : new OutcomeUnknown({ token, operation })
  })

const run = <A>(
  context: TokenContext,
  use: (connection: TokenConnection) => Effect.Effect<A, TokenRefusal | HostFault | HostStale>,
  chances: Chances
): Effect.Effect<A, TokenRefusal> =>
  Effect.flatMap(context.reconnector.acquire, (connection) => {
    if (connection.isOutdated || hasReplacedPin(context.tools, connection))
      return Effect.andThen(replace(context, connection), run(context, use, chances))
    const { reopened } = connection
    const worked = Effect.suspend(() => {
      connection.isDoubted = false
      return context.reconnector.markHealthy
    })
    return use(connection).pipe(
      Effect.tap(() => worked),
      Effect.catch((failure) => {
        if (failure._tag === "HostStale") {
          const reason = "a key may have been created elsewhere"
          const why = { kind: "stale", refusal: failure.refusal, reason } as const
          const replaced = Effect.andThen(worked, context.reconnector.invalidate(connection, why))
          return Effect.andThen(replaced, run(context, use, chances))
        }
        if (!isHostFault(failure)) return Effect.fail(failure)
        const { remedy, left } = afterFault(failure, {
          chances,
          hasNewSession: connection.reopened !== reopened,
          isDoubted: connection.isDoubted,
          signMs: context.tools.settings.limits.signMs
        })
        const refused = Effect.fail(refusalOn(failure, connection.token))
        return Effect.andThen(repair(context, connection, failure, remedy), left ? run(context, use, left) : refused)
      })
    )
  })

const repair = (
  context: TokenContext,
  connection: TokenConnection,
  fault: HostFault,
  remedy: Remedy
): Effect.Effect<void> => {
  switch (remedy) {
    case "none":
      return Effect.void
    case "session":
      return reopen(context, connection)
    case "host":
      return context.reconnector.invalidate(connection, replacementFor(fault, connection.token))
  }
}

/** A host that may know an older PIN is given up before another PIN is tried on it; running signatures are finished. */
const replace = ({ reconnector }: TokenContext, connection: TokenConnection): Effect.Effect<void> =>
  Effect.suspend(() => {
    connection.isOutdated = true
    const refusal = new PinRejected({ token: tokenName(connection.token), reason: "differs" })
    return reconnector.invalidate(connection, { kind: "stale", refusal, reason: "the PIN may have been changed" })
  })

/** A session that cannot even be closed takes its host with it. */
const reopen = ({ tools, reconnector }: TokenContext, connection: TokenConnection): Effect.Effect<void> =>
  Effect.suspend(() => {
    connection.reopened += 1
    connection.isDoubted = true
    return Effect.catch(closeSession(tools, connection), (fault) =>
      reconnector.invalidate(connection, replacementFor(fault, connection.token))
    )
  })

/** Whether a new host may find the key; once for each URI. */
const mayRefresh = (context: TokenContext, connection: TokenConnection, asker: Asker): Effect.Effect<boolean> =>
  Effect.map(monotonicNow, (now) => {
    const { refreshed } = context
    const uri = shownUri(asker.uri)
    const isNew = now - connection.since < refreshForKey.hostMs
    if (refreshed.has(uri) || now < context.mayRefreshAt || isNew) return false
    if (refreshed.size >= rememberedUris) refreshed.clear()
    refreshed.add(uri)
    context.mayRefreshAt = now + refreshForKey.pauseMs
    return true
  })

const rememberedUris = 256
