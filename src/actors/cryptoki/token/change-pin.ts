/**
 * A new user PIN for a token: by the old one, or by the SO PIN.
 *
 * The old PIN and the SO PIN are guarded by latches like every login: they can lock the token just the same.
 */
import { Effect, Redacted, Result } from "effect"
import type { CryptokiProtocol, TokenDescription } from "../../../messages/cryptoki.ts"
import { PinMissing, PinRejected, type TokenRefusal } from "../../../messages/token-refusals.ts"
import type { PayloadOf } from "../../../runtime/protocol.ts"
import { type HostFault, isHostFault } from "../host/faults.ts"
import { isAboutNewPin } from "../pin/login-outcome.ts"
import { CKF_SO_PIN_COUNT_LOW, CKF_SO_PIN_FINAL_TRY, CKF_SO_PIN_LOCKED } from "../pkcs11/pkcs11-constants.ts"
import { describeToken } from "../pkcs11/token-facts.ts"
import { type Asker, latchedSo, latchedToken, openSession, pinOf, tokenNow, userPinFlags } from "./session.ts"
import { pinMark, type Seat } from "./token-connection.ts"
import type { Lane } from "./token-context.ts"
import { endSeat, withSeat } from "./with-connection.ts"

type PinOrder = Omit<PayloadOf<CryptokiProtocol, "ChangePin">, "token">

export const changePin = (lane: Lane, asker: Asker, order: PinOrder): Effect.Effect<TokenDescription, TokenRefusal> =>
  withSeat(lane.tools, lane.keeper, (seat) =>
    Effect.gen(function* () {
      yield* openSession(lane.tools, seat)
      const changed = yield* Effect.result(
        seat.preparing.withPermit(
          order.by.kind === "change"
            ? byOldPin(lane, seat, asker, order.newPin)
            : bySoPin(lane, seat, asker, { soPin: order.by.soPin, newPin: order.newPin })
        )
      )
      if (Result.isSuccess(changed)) return describeToken(seat.token)
      const failure = changed.failure
      if (!isHostFault(failure)) return yield* Effect.fail(failure)
      if (failure._tag === "CallRefused" && isAboutNewPin(failure.call, failure.code))
        return yield* new PinRejected({ token: lane.token, reason: "invalid" })
      return yield* endSeat(lane, seat, failure, "change-pin")
    })
  )

const byOldPin = (lane: Lane, seat: Seat, asker: Asker, newPin: Redacted.Redacted<string>) =>
  Effect.gen(function* () {
    const { token, tools } = lane
    const oldPin = pinOf(tools, seat.token, asker)
    if (oldPin === undefined) return yield* new PinMissing({ token })
    const { session } = seat
    const login = session?.login
    const { client } = asker
    if (login && client !== undefined)
      yield* tools.latch.clients.compare(latchedToken(seat.token), client, () => login(oldPin))
    if (login && !login(oldPin)) return yield* new PinRejected({ token, reason: "differs", pin: "current" })
    const asked = {
      slot: seat.token.facts.slot,
      oldPin: Redacted.value(oldPin),
      newPin: Redacted.value(newPin)
    }
    const call = seat.host.call("setPin", asked, tools.settings.limits.loginMs)
    if (client !== undefined) yield* tools.latch.clients.admit(latchedToken(seat.token), client)
    const isCountLow = userPinFlags(tools, seat)
    yield* isCountLow
    yield* tools.latch.guard(latchedToken(seat.token), oldPin, {
      login: call,
      client,
      isTyped: true,
      newPin,
      isCountLow
    })
    if (session?.login) {
      session.login = pinMark(newPin)
      session.isOwnLogin = false
    }
  })

const bySoPin = (
  lane: Lane,
  seat: Seat,
  { client }: Asker,
  { soPin, newPin }: { readonly soPin: Redacted.Redacted<string>; readonly newPin: Redacted.Redacted<string> }
): Effect.Effect<void, TokenRefusal | HostFault> =>
  Effect.gen(function* () {
    const { token, tools } = lane
    const { slot } = seat.token.facts
    const isCountLow = Effect.gen(function* () {
      const { flags } = yield* tokenNow(tools, seat)
      if ((flags & CKF_SO_PIN_LOCKED) !== 0) return yield* new PinRejected({ token, reason: "locked", pin: "so" })
      if ((flags & CKF_SO_PIN_FINAL_TRY) !== 0) return yield* new PinRejected({ token, reason: "finalTry", pin: "so" })
      return (flags & CKF_SO_PIN_COUNT_LOW) !== 0
    })
    if (client !== undefined) yield* tools.latch.clients.admit(latchedSo(seat.token), client)
    yield* isCountLow
    const asked = { slot, soPin: Redacted.value(soPin), newPin: Redacted.value(newPin) }
    const login = Effect.suspend(() => {
      // The host closes every session for it, and with them the login.
      seat.session = undefined
      return seat.host.call("resetPin", asked, tools.settings.limits.loginMs)
    })
    yield* tools.latch.guard(latchedSo(seat.token), soPin, { login, client, isCountLow })
    yield* tools.latch.clear(latchedToken(seat.token), newPin)
  })
