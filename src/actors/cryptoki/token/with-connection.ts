/**
 * Runs a request on a token, or with a key on it, and repeats it after a fault. Other retries: reconnector.ts waits for up
 * to three attempts to start a host, session.ts reopens a session that was closed before its login, ../router.ts lists the
 * tokens again for a missing one.
 *
 *   what went wrong                        remedy        the request is made again
 *   the host may know an older PIN         a new host    before it has begun
 *   the service ended the host under it    a new host    twice
 *   a fault of the session                 a new session once, then as the next
 *   a fault of the device or its module    a new host    once, unless the call took all the time it may
 *   no such key, and the host is not new   a new host    once for each URI, and not often
 *   a refusal                              none          never
 *
 * How long a new host is waited for is the reconnector's. Faults are distinguished by their code.
 */
import { Effect, Result } from "effect"
import { shownUri } from "../../../messages/pkcs11-uri.ts"
import { OutcomeUnknown, PinRejected, type TokenRefusal } from "../../../messages/token-refusals.ts"
import { monotonicNow } from "../../../runtime/primitives/monotonic-time.ts"
import { CallRefused, type HostFault, isHostFault, refusalOn } from "../host/faults.ts"
import type { HostRequestName } from "../host/protocol.ts"
import { CKR_SESSION_CLOSED, CKR_SESSION_HANDLE_INVALID, codeName, faultClass } from "../pkcs11/return-codes.ts"
import { type Token, tokenName } from "../pkcs11/token-facts.ts"
import type { Loss } from "./reconnector.ts"
import { findKey } from "./resolve-key.ts"
import type { FoundKey, TokenConnection } from "./session.ts"
import { type Asker, closeSession, hasReplacedPin, loggedIn, type TokenTools } from "./session.ts"
import type { TokenContext } from "./token-context.ts"

/** `use` may run again from its beginning, so it must be a thing that can be done twice. */
export const withConnection = <A>(
  context: TokenContext,
  use: (connection: TokenConnection) => Effect.Effect<A, TokenRefusal | HostFault>
): Effect.Effect<A, TokenRefusal> => attempt(context, use, forgiven)

/** Logged in, with the key the asker means. */
export const withKey = <A>(
  context: TokenContext,
  asker: Asker,
  use: (connection: TokenConnection, found: FoundKey) => Effect.Effect<A, TokenRefusal | HostFault>
): Effect.Effect<A, TokenRefusal> =>
  attempt(
    context,
    (connection) =>
      Effect.gen(function* () {
        const session = yield* loggedIn(context.tools, connection, asker)
        const found = yield* Effect.result(findKey(context.tools, connection, session, asker))
        if (Result.isFailure(found))
          return yield* found.failure._tag === "KeyNotFound" && (yield* mayRefresh(context, connection, asker))
            ? Effect.fail({ _tag: "HostStale", refusal: found.failure } as const)
            : Effect.fail(found.failure)
        context.refreshed.delete(shownUri(asker.uri))
        return yield* use(connection, found.success)
      }),
    forgiven
  )

/** How often each kind of fault is forgiven. `replaced`: the service ended the host for another request. */
interface Chances {
  readonly session: number
  readonly host: number
  readonly replaced: number
}

const forgiven: Chances = { session: 1, host: 1, replaced: 2 }

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
    if (remedy === "session") yield* reopen(context, connection)
    if (remedy === "host") yield* context.reconnector.invalidate(connection, lossOf(fault, connection.token))
    return yield* fault._tag === "CallRefused"
      ? Effect.fail(refusalOn(fault, connection.token))
      : new OutcomeUnknown({ token, operation })
  })

const attempt = <A>(
  context: TokenContext,
  use: (connection: TokenConnection) => Effect.Effect<A, TokenRefusal | HostFault | HostStale>,
  chances: Chances
): Effect.Effect<A, TokenRefusal> =>
  Effect.flatMap(context.reconnector.acquire, (connection) => {
    if (connection.isOutdated || hasReplacedPin(context.tools, connection))
      return Effect.andThen(replace(context, connection), attempt(context, use, chances))
    const { reopened } = connection
    return use(connection).pipe(
      Effect.tap(() => worked(context, connection)),
      Effect.catch((failure) => {
        if (failure._tag === "HostStale")
          return Effect.andThen(replaceStale(context, connection, failure), attempt(context, use, chances))
        if (!isHostFault(failure)) return Effect.fail(failure)
        const { repair, left } = remedied(context, { connection, reopened, fault: failure, chances })
        const refused = Effect.fail(refusalOn(failure, connection.token))
        return Effect.andThen(repair, left ? attempt(context, use, left) : refused)
      })
    )
  })

const worked = ({ reconnector }: TokenContext, connection: TokenConnection): Effect.Effect<void> => {
  connection.isDoubted = false
  return reconnector.markHealthy
}

const replaceStale = (context: TokenContext, connection: TokenConnection, { refusal }: HostStale) =>
  Effect.andThen(
    worked(context, connection),
    context.reconnector.invalidate(connection, {
      kind: "stale",
      refusal,
      reason: "a key may have been created elsewhere"
    })
  )

interface Faulted {
  readonly connection: TokenConnection
  /** The number of its session changes when the request began. */
  readonly reopened: number
  readonly fault: HostFault
  readonly chances: Chances
}

/** What puts the token right after a fault, and with which chances the request runs again; undefined: it does not. */
const remedied = (
  context: TokenContext,
  { connection, reopened, fault, chances }: Faulted
): { readonly repair: Effect.Effect<void>; readonly left: Chances | undefined } => {
  const invalidate = context.reconnector.invalidate(connection, lossOf(fault, connection.token))
  const isOurs = fault._tag === "HostEnded" || (fault._tag === "HostDied" && fault.forAnother === true)
  if (isOurs && chances.replaced > 0)
    return { repair: invalidate, left: { ...chances, replaced: chances.replaced - 1 } }
  const remedy = remedyFor(fault)
  if (remedy === "none") return { repair: Effect.void, left: undefined }
  if (remedy === "session" && chances.session > 0) {
    const left = { ...chances, session: chances.session - 1 }
    // Another request got a new session meanwhile, which this fault says nothing about.
    if (connection.reopened !== reopened) return { repair: Effect.void, left }
    if (!connection.isDoubted) return { repair: reopen(context, connection), left }
  }
  const isHung = fault._tag === "CallTimedOut" && fault.afterMs >= leastTimeout(context.tools, fault.call)
  const mayRepeat = chances.host > 0 && !isHung
  return { repair: invalidate, left: mayRepeat ? { ...chances, session: 0, host: chances.host - 1 } : undefined }
}

/** A call that was given less hung on a token that never takes its time: it costs little to make it again. */
const leastTimeout = ({ settings: { limits } }: TokenTools, call: HostRequestName): number =>
  call === "sign" ? limits.signMs : 0

/** A host that may know an older PIN is given up before another PIN is tried on it; running signatures are finished. */
const replace = ({ reconnector }: TokenContext, connection: TokenConnection): Effect.Effect<void> =>
  Effect.suspend(() => {
    connection.isOutdated = true
    const refusal = new PinRejected({ token: tokenName(connection.token), reason: "differs" })
    return reconnector.invalidate(connection, { kind: "stale", refusal, reason: "the PIN may have been changed" })
  })

const remedyFor = (fault: HostFault): "none" | "session" | "host" => {
  if (fault._tag !== "CallRefused") return "host"
  const kind = faultClass(fault.code)
  if (kind === "session") return "session"
  return kind === "device" ? "host" : "none"
}

/** A session that cannot even be closed takes its host with it. */
const reopen = ({ tools, reconnector }: TokenContext, connection: TokenConnection): Effect.Effect<void> =>
  Effect.suspend(() => {
    connection.reopened += 1
    connection.isDoubted = true
    return Effect.catch(closeSession(tools, connection), (fault) =>
      reconnector.invalidate(connection, lossOf(fault, connection.token))
    )
  })

const lossOf = (fault: HostFault, token: Token): Loss => ({
  kind: lossKind(fault),
  refusal: refusalOn(fault, token),
  reason: fault._tag === "CallRefused" ? `${fault.call}: ${codeName(fault.code)}` : `${fault._tag} in ${fault.call}`
})

const lossKind = (fault: HostFault): Loss["kind"] => {
  if (fault._tag === "HostEnded") return "stale"
  return fault._tag === "CallRefused" && removedCodes.includes(codeName(fault.code)) ? "removed" : "broken"
}

const removedCodes = ["CKR_DEVICE_REMOVED", "CKR_TOKEN_NOT_PRESENT", "CKR_SLOT_ID_INVALID"]

/**
 * Modules read some tokens only when they are loaded, so a key that another process created is seen by a new host.
 * Once for each URI, and not often: a key that is merely missing must not wear out a reader.
 */
const mayRefresh = (context: TokenContext, connection: TokenConnection, asker: Asker): Effect.Effect<boolean> =>
  Effect.map(monotonicNow, (now) => {
    const uri = shownUri(asker.uri)
    if (context.refreshed.has(uri) || now < context.mayRefreshAt || now - connection.since < freshMs) return false
    if (context.refreshed.size >= rememberedUris) context.refreshed.clear()
    context.refreshed.add(uri)
    context.mayRefreshAt = now + refreshPauseMs
    return true
  })

/** A host younger than this has seen what there is. */
const freshMs = 2000
const refreshPauseMs = 30_000
const rememberedUris = 256
