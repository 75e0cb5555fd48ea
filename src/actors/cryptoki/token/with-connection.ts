/**
 * Does something with a token and sees to what breaks meanwhile.
 *
 * A fault of the session: a new session, and a new host when that does not help. A fault of the device or of its module:
 * a new host, once; a call that took longer than it may is not made again. What the service itself ended under a request
 * costs that request none of this. Faults are told apart by their code.
 */
import { Effect } from "effect"
import { OutcomeUnknown, PinRejected, type TokenRefusal } from "../../../messages/token-refusals.ts"
import { type HostFault, isHostFault } from "../host/faults.ts"
import type { HostRequestName } from "../host/protocol.ts"
import { refusalOn } from "../host/refusals.ts"
import { CKR_SESSION_CLOSED, codeName, faultClass } from "../pkcs11/return-codes.ts"
import { type Token, tokenName } from "../pkcs11/token-facts.ts"
import type { Loss, Reconnector } from "./reconnector.ts"
import { closeSession, hasReplacedPin, type TokenTools } from "./session.ts"
import type { TokenConnection } from "./token-connection.ts"

/** `use` may run again from its beginning, so it must be a thing that can be done twice. */
export const withConnection = <A>(
  tools: TokenTools,
  reconnector: Reconnector,
  use: (connection: TokenConnection) => Effect.Effect<A, TokenRefusal | HostFault>
): Effect.Effect<A, TokenRefusal> => tryWithConnection(tools, reconnector, use, { session: 1, host: 1, replaced: 2 })

/** How often each kind of fault is forgiven. `replaced`: the service ended the host for another request. */
interface Chances {
  readonly session: number
  readonly host: number
  readonly replaced: number
}

/**
 * For a call that changes the token and must not be made twice: puts the connection right, and tells what is known of the
 * outcome. A code means that it was not done; a host that ended in it leaves the question open. A call that was not
 * made, or found no session or login, fails as it did: `withConnection` makes it again.
 */
export const repairAfter = (
  context: { readonly tools: TokenTools; readonly reconnector: Reconnector },
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
    if (remedy === "session") yield* reopen(context.tools, context.reconnector, connection)
    if (remedy === "host") yield* context.reconnector.invalidate(connection, lossOf(fault, connection.token))
    return yield* fault._tag === "CallRefused"
      ? Effect.fail(refusalOn(fault, connection.token))
      : new OutcomeUnknown({ token, operation })
  })

const tryWithConnection = <A>(
  tools: TokenTools,
  reconnector: Reconnector,
  use: (connection: TokenConnection) => Effect.Effect<A, TokenRefusal | HostFault>,
  chances: Chances
): Effect.Effect<A, TokenRefusal> =>
  Effect.flatMap(reconnector.acquire, (connection) => {
    if (connection.isOutdated || hasReplacedPin(tools, connection))
      return Effect.andThen(replace(reconnector, connection), tryWithConnection(tools, reconnector, use, chances))
    const { reopened } = connection
    return use(connection).pipe(
      Effect.tap(() => {
        connection.isDoubted = false
        return reconnector.markHealthy
      }),
      Effect.catch((refusal) => {
        if (!isHostFault(refusal)) return Effect.fail(refusal)
        const { repair, left } = remedied(tools, reconnector, { connection, reopened, fault: refusal, chances })
        const refused = Effect.fail(refusalOn(refusal, connection.token))
        return Effect.andThen(repair, left ? tryWithConnection(tools, reconnector, use, left) : refused)
      })
    )
  })

interface Faulted {
  readonly connection: TokenConnection
  /** The number of its session changes when the request began. */
  readonly reopened: number
  readonly fault: HostFault
  readonly chances: Chances
}

/** What puts the token right after a fault, and with which chances the request runs again; undefined: it does not. */
const remedied = (
  tools: TokenTools,
  reconnector: Reconnector,
  { connection, reopened, fault, chances }: Faulted
): { readonly repair: Effect.Effect<void>; readonly left: Chances | undefined } => {
  const invalidate = reconnector.invalidate(connection, lossOf(fault, connection.token))
  const isOurs = fault._tag === "HostEnded" || (fault._tag === "HostDied" && fault.forAnother === true)
  if (isOurs && chances.replaced > 0)
    return { repair: invalidate, left: { ...chances, replaced: chances.replaced - 1 } }
  const remedy = remedyFor(fault)
  if (remedy === "none") return { repair: Effect.void, left: undefined }
  if (remedy === "session" && chances.session > 0) {
    const left = { ...chances, session: chances.session - 1 }
    // Another request got a new session meanwhile, which this fault says nothing about.
    if (connection.reopened !== reopened) return { repair: Effect.void, left }
    if (!connection.isDoubted) return { repair: reopen(tools, reconnector, connection), left }
  }
  const isHung = fault._tag === "CallTimedOut" && fault.afterMs >= leastTimeout(tools, fault.call)
  const mayRepeat = chances.host > 0 && !isHung
  return { repair: invalidate, left: mayRepeat ? { ...chances, session: 0, host: chances.host - 1 } : undefined }
}

/** A call that was given less hung on a token that never takes its time: it costs little to make it again. */
const leastTimeout = ({ settings: { limits } }: TokenTools, call: HostRequestName): number =>
  call === "sign" ? limits.signMs : 0

/** A host that may know an older PIN is given up before another PIN is tried on it; signatures under way are finished. */
const replace = (reconnector: Reconnector, connection: TokenConnection): Effect.Effect<void> =>
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
const reopen = (tools: TokenTools, reconnector: Reconnector, connection: TokenConnection): Effect.Effect<void> =>
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
