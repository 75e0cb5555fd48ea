/**
 * Does something with a token and sees to what breaks meanwhile.
 *
 * A fault of the session: a new session, once. A fault of the device or of its module: a new host, once; a call that
 * took longer than it may is not made again. Faults are told apart by their code.
 */
import { Effect } from "effect"
import { OutcomeUnknown, PinRejected, type TokenRefusal } from "../../messages/token-refusals.ts"
import { codeName, faultClass } from "./fault-class.ts"
import type { HostFault } from "./host-client.ts"
import type { HostRequestName } from "./host-protocol.ts"
import { closeSession, hasReplacedPin, type LaneTools } from "./lane-session.ts"
import { refusalOf } from "./refusals.ts"
import type { Seat } from "./seat.ts"
import type { Loss, SeatKeeper } from "./seat-keeper.ts"
import { tokenName } from "./token-facts.ts"

/** `use` may run again from its beginning, so it must be a thing that can be done twice. */
export const withSeat = <A>(
  tools: LaneTools,
  keeper: SeatKeeper,
  use: (seat: Seat) => Effect.Effect<A, TokenRefusal | HostFault>
): Effect.Effect<A, TokenRefusal> => tryWithSeat(tools, keeper, use, { session: 1, device: 1 })

/** How often each kind of fault is forgiven. */
interface Chances {
  readonly session: number
  readonly device: number
}

/**
 * For a call that changes the token and must not be made twice: puts the seat right, and tells what is known of the
 * outcome. A code means that it was not done; a host that ended in it leaves the question open.
 */
export const endSeat = (
  lane: { readonly tools: LaneTools; readonly keeper: SeatKeeper },
  seat: Seat,
  fault: HostFault,
  operation: OutcomeUnknown["operation"]
): Effect.Effect<never, TokenRefusal> =>
  Effect.gen(function* () {
    const token = tokenName(seat.token)
    const remedy = remedyFor(fault)
    if (remedy === "session") yield* reopen(lane.tools, lane.keeper, seat)
    if (remedy === "host") yield* lane.keeper.lose(seat, lossOf(fault, token))
    return yield* fault._tag === "CallRefused"
      ? Effect.fail(refusalOf(fault, token))
      : new OutcomeUnknown({ token, operation })
  })

const tryWithSeat = <A>(
  tools: LaneTools,
  keeper: SeatKeeper,
  use: (seat: Seat) => Effect.Effect<A, TokenRefusal | HostFault>,
  chances: Chances
): Effect.Effect<A, TokenRefusal> =>
  Effect.flatMap(keeper.take, (seat) => {
    const token = tokenName(seat.token)
    if (seat.isOutdated || hasReplacedPin(tools, seat))
      return Effect.andThen(replace(tools, keeper, seat), tryWithSeat(tools, keeper, use, chances))
    return use(seat).pipe(
      Effect.tap(() => keeper.proven),
      Effect.catch((refusal) => {
        if (!isHostFault(refusal)) return Effect.fail(refusal)
        const remedy = remedyFor(refusal)
        if (remedy === "none") return Effect.fail(refusalOf(refusal, token))
        if (remedy === "session") {
          const reopened = reopen(tools, keeper, seat)
          const again = { ...chances, session: chances.session - 1 }
          return Effect.andThen(
            reopened,
            chances.session > 0 ? tryWithSeat(tools, keeper, use, again) : Effect.fail(refusalOf(refusal, token))
          )
        }
        const again = { ...chances, device: chances.device - 1 }
        const isHung = refusal._tag === "CallTimedOut" && refusal.afterMs >= leastPatience(tools, refusal.call)
        return Effect.andThen(
          keeper.lose(seat, lossOf(refusal, token)),
          chances.device > 0 && !isHung
            ? tryWithSeat(tools, keeper, use, again)
            : Effect.fail(refusalOf(refusal, token))
        )
      })
    )
  })

/** A call that was given less hung on a token that never takes its time: it costs little to make it again. */
const leastPatience = ({ settings: { limits } }: LaneTools, call: HostRequestName): number =>
  call === "sign" ? limits.signMs : 0

/** A host that may know an older PIN is given up before another PIN is tried on it; signatures under way are finished. */
const replace = (tools: LaneTools, keeper: SeatKeeper, seat: Seat): Effect.Effect<void> =>
  Effect.suspend(() => {
    seat.isOutdated = true
    const refusal = new PinRejected({ token: tokenName(seat.token), reason: "differs" })
    const loss = { kind: "stale", refusal, reason: "the PIN may have been changed" } as const
    return Effect.andThen(Effect.ignore(closeSession(tools, seat)), keeper.lose(seat, loss))
  })

const isHostFault = (refusal: TokenRefusal | HostFault): refusal is HostFault =>
  refusal._tag === "CallRefused" || refusal._tag === "CallTimedOut" || refusal._tag === "HostDied"

const remedyFor = (fault: HostFault): "none" | "session" | "host" => {
  if (fault._tag !== "CallRefused") return "host"
  const kind = faultClass(fault.code)
  if (kind === "session") return "session"
  return kind === "device" ? "host" : "none"
}

/** A session that cannot even be closed takes its host with it. */
const reopen = (tools: LaneTools, keeper: SeatKeeper, seat: Seat): Effect.Effect<void> =>
  Effect.catch(closeSession(tools, seat), (fault) => keeper.lose(seat, lossOf(fault, tokenName(seat.token))))

const lossOf = (fault: HostFault, token: string): Loss => ({
  kind: fault._tag === "CallRefused" && removedCodes.includes(codeName(fault.code)) ? "removed" : "broken",
  refusal: refusalOf(fault, token),
  reason: fault._tag === "CallRefused" ? `${fault.call}: ${codeName(fault.code)}` : `${fault._tag} in ${fault.call}`
})

const removedCodes = ["CKR_DEVICE_REMOVED", "CKR_TOKEN_NOT_PRESENT", "CKR_SLOT_ID_INVALID"]
