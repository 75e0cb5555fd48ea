/**
 * One token in use: a child actor of CryptokiActor, with a token host of its own.
 *
 * Requests run side by side; what they share (session, login, keys) is prepared by one of them at a time.
 */
import { Clock, Effect, Result, type Scope } from "effect"
import type { ChosenKey } from "../../messages/cryptoki.ts"
import type { SignatureScheme } from "../../messages/signature-scheme.ts"
import type { TokenRefusal } from "../../messages/token-refusals.ts"
import type { ActorContext, Behaviour } from "../../runtime/actor.ts"
import type { Ask, Tell } from "../../runtime/protocol.ts"
import { CKR_SESSION_HANDLE_INVALID } from "./fault-class.ts"
import { CallRefused, type HostFault, type TokenHost } from "./host-client.ts"
import type { Hosts } from "./hosts.ts"
import { findKey } from "./lane-keys.ts"
import { type Asker, type LaneTools, latchedToken, loggedIn } from "./lane-session.ts"
import { chosenKey, signWith } from "./lane-sign.ts"
import { refusalOf } from "./refusals.ts"
import { type FoundKey, makeSeat, type Seat } from "./seat.ts"
import { makeSeatKeeper, type OwnedSeat, type SeatKeeper } from "./seat-keeper.ts"
import { shownUri, type Token, tokenIdentity, tokenName } from "./token-facts.ts"
import { withSeat } from "./with-seat.ts"

export type LaneProtocol = {
  readonly Choose: Ask<
    { readonly asker: Asker; readonly offered: ReadonlyArray<SignatureScheme> },
    ChosenKey,
    TokenRefusal
  >
  readonly Sign: Ask<
    { readonly asker: Asker; readonly scheme: SignatureScheme | undefined; readonly message: Uint8Array },
    Uint8Array,
    TokenRefusal
  >
  /** Something was created by another process or host: what is not found may be there by now. */
  readonly Outdated: Tell<void>
}

export interface LaneSpec {
  readonly tools: LaneTools
  readonly hosts: Hosts
  readonly token: Token
  /** The host that listed the token, if it may be kept. */
  readonly first: OwnedSeat | undefined
}

export const laneBehaviour = (spec: LaneSpec): Behaviour<LaneProtocol> => ({
  concurrent: { tags: ["Choose", "Sign"], inFlight: 64 },
  init: (context) =>
    Effect.gen(function* () {
      const lane = yield* openLane(spec, context)
      return {
        Choose: ({ asker, offered }) => choose(lane, asker, offered),
        Sign: ({ asker, scheme, message }) =>
          withKey(lane, asker, (seat, found) => signWith(lane.tools, seat, { found, scheme, message, asker })),
        Outdated: () =>
          Effect.sync(() => {
            lane.refreshed.clear()
            lane.mayRefreshAt = 0
          })
      }
    })
})

/** What the work on one token shares. */
export interface Lane {
  readonly tools: LaneTools
  readonly keeper: SeatKeeper
  readonly token: string
  /** URIs whose key was not found, and for which the host was replaced once already. */
  readonly refreshed: Set<string>
  /** Milliseconds since 1970. */
  mayRefreshAt: number
}

const openLane = (spec: LaneSpec, context: ActorContext<LaneProtocol>): Effect.Effect<Lane, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { tools } = spec
    const token = tokenName(spec.token)
    let last: TokenHost | undefined = spec.first?.seat.host
    const open = Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const host = yield* spec.hosts.lease(last)
      last = host
      const tokens = yield* host.call("tokens", {}, tools.settings.limits.listMs)
      const facts = tokens.find(
        (one) => tokenIdentity({ facts: one, library: host.library }) === tokenIdentity(spec.token)
      )
      return facts && makeSeat(host, { facts, library: host.library }, now)
    }).pipe(Effect.mapError((fault) => (fault._tag === "ModuleNotLoaded" ? fault : refusalOf(fault, token))))
    const keeper = yield* makeSeatKeeper({
      token,
      open,
      first: spec.first,
      task: (effect) => context.task("looking after the token", effect),
      reinserted: (seat) => tools.latch.reinserted(latchedToken(seat.token)),
      publish: tools.publish,
      keepLookingMs: tools.settings.keepLookingMs,
      idleMs: tools.settings.idleHostEnds ? idleMs : undefined
    })
    return { tools, keeper, token, refreshed: new Set(), mayRefreshAt: 0 }
  })

const choose = (lane: Lane, asker: Asker, offered: ReadonlyArray<SignatureScheme>) =>
  withKey(lane, asker, (seat, found) =>
    Effect.map(stillThere(lane, seat, found), () => chosenKey(seat, found, asker, offered))
  )

/** A kept handle may have died, or mean another object by now. Asked once for each handshake. */
const stillThere = ({ tools }: Lane, seat: Seat, { object }: FoundKey): Effect.Effect<void, HostFault> =>
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
    Effect.gen(function* () {
      const session = yield* loggedIn(lane.tools, seat, asker)
      const found = yield* Effect.result(findKey(lane.tools, seat, session, asker.uri))
      if (Result.isSuccess(found)) {
        lane.refreshed.delete(shownUri(asker.uri))
        return { done: yield* use(seat, found.success) }
      }
      const refusal = found.failure
      if (refusal._tag !== "KeyNotFound" || !(yield* mayRefresh(lane, seat, asker))) return yield* refusal
      yield* lane.keeper.lose(seat, { kind: "stale", refusal, reason: "a key may have been created elsewhere" })
      return undefined
    })
  ).pipe(Effect.flatMap((result) => (result ? Effect.succeed(result.done) : withKey(lane, asker, use))))

/**
 * Modules read some tokens only when they are loaded, so a key that another process created is seen by a new host.
 * Once for each URI, and not often: a key that is merely missing must not wear out a reader.
 */
const mayRefresh = (lane: Lane, seat: Seat, asker: Asker): Effect.Effect<boolean> =>
  Effect.map(Clock.currentTimeMillis, (now) => {
    const uri = shownUri(asker.uri)
    if (lane.refreshed.has(uri) || now < lane.mayRefreshAt || now - seat.since < freshMs) return false
    if (lane.refreshed.size >= rememberedUris) lane.refreshed.clear()
    lane.refreshed.add(uri)
    lane.mayRefreshAt = now + refreshPauseMs
    return true
  })

const idleMs = 60_000
/** A host younger than this has seen what there is. */
const freshMs = 2000
const refreshPauseMs = 30_000
const rememberedUris = 256
