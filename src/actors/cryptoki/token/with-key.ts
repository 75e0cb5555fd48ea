/**
 * Finds the key a request means, on a token that is ready, and does something with it.
 */
import { Effect, Result } from "effect"
import type { TokenRefusal } from "../../../messages/token-refusals.ts"
import { monotonicNow } from "../../../runtime/primitives/monotonic-time.ts"
import { CallRefused, type HostFault } from "../host/faults.ts"
import { CKR_SESSION_HANDLE_INVALID } from "../pkcs11/return-codes.ts"
import { shownUri } from "../pkcs11/token-facts.ts"
import { findKey, type KeyRefusal } from "./resolve-key.ts"
import { type Asker, loggedIn } from "./session.ts"
import type { FoundKey, Seat } from "./token-connection.ts"
import type { Lane } from "./token-context.ts"
import { withSeat } from "./with-connection.ts"

/** A kept handle may have died, or mean another object by now. Asked once for each handshake. */
export const stillThere = ({ tools }: Lane, seat: Seat, { object }: FoundKey): Effect.Effect<void, HostFault> =>
  Effect.flatMap(
    seat.host.call(
      "check",
      { slot: seat.token.facts.slot, handle: object.handle, id: object.id },
      tools.settings.limits.listMs
    ),
    (isThere) =>
      isThere
        ? Effect.void
        : Effect.fail(new CallRefused({ call: "C_GetSessionInfo", code: CKR_SESSION_HANDLE_INVALID, detail: "" }))
  )

/** Logged in, with the key the asker means. */
export const withKey = <A>(
  lane: Lane,
  asker: Asker,
  use: (seat: Seat, found: FoundKey) => Effect.Effect<A, TokenRefusal | HostFault>
): Effect.Effect<A, TokenRefusal> =>
  withSeat(lane.tools, lane.keeper, (seat) =>
    loggedIn(lane.tools, seat, asker).pipe(
      Effect.flatMap((session) => Effect.result(findKey(lane.tools, seat, session, asker))),
      Effect.flatMap((found) => {
        if (Result.isFailure(found)) return Effect.as(makeStale(lane, seat, asker, found.failure), undefined)
        lane.refreshed.delete(shownUri(asker.uri))
        return Effect.map(use(seat, found.success), (done) => ({ done }))
      })
    )
  ).pipe(Effect.flatMap((result) => (result ? Effect.succeed(result.done) : withKey(lane, asker, use))))

/** A host that may not know of the key is given up; otherwise the refusal stands. */
const makeStale = (lane: Lane, seat: Seat, asker: Asker, refusal: KeyRefusal): Effect.Effect<void, KeyRefusal> =>
  Effect.gen(function* () {
    if (refusal._tag !== "KeyNotFound" || !(yield* mayRefresh(lane, seat, asker))) return yield* Effect.fail(refusal)
    yield* lane.keeper.lose(seat, { kind: "stale", refusal, reason: "a key may have been created elsewhere" })
  })

/**
 * Modules read some tokens only when they are loaded, so a key that another process created is seen by a new host.
 * Once for each URI, and not often: a key that is merely missing must not wear out a reader.
 */
const mayRefresh = (lane: Lane, seat: Seat, asker: Asker): Effect.Effect<boolean> =>
  Effect.map(monotonicNow, (now) => {
    const uri = shownUri(asker.uri)
    if (lane.refreshed.has(uri) || now < lane.mayRefreshAt || now - seat.since < freshMs) return false
    if (lane.refreshed.size >= rememberedUris) lane.refreshed.clear()
    lane.refreshed.add(uri)
    lane.mayRefreshAt = now + refreshPauseMs
    return true
  })

/** A host younger than this has seen what there is. */
const freshMs = 2000
const refreshPauseMs = 30_000
const rememberedUris = 256
