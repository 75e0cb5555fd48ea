/**
 * Sets a new user PIN on a token: with the old one, or with the SO PIN.
 *
 * The old PIN and the SO PIN are protected by latches like every login: they can lock the token as well.
 */
import { Effect, Redacted, Result } from "effect"
import type { CryptokiProtocol, TokenDescription } from "../../../messages/cryptoki.ts"
import { PinMissing, PinRejected, type TokenRefusal } from "../../../messages/token-refusals.ts"
import type { PayloadOf } from "../../../runtime/protocol.ts"
import { type HostFault, isHostFault } from "../host/faults.ts"
import { isAboutNewPin } from "../pin/login-outcome.ts"
import { CKF_SO_PIN_COUNT_LOW, CKF_SO_PIN_FINAL_TRY, CKF_SO_PIN_LOCKED } from "../pkcs11/pkcs11-constants.ts"
import { describeToken } from "../pkcs11/token-facts.ts"
import {
  type Asker,
  latchedSo,
  latchedToken,
  openSession,
  pinMark,
  pinOf,
  type TokenConnection,
  tokenNow,
  userPinFlags
} from "./session.ts"
import { repairAfter, type TokenContext, withConnection } from "./with-connection.ts"

export const changePin = (
  context: TokenContext,
  asker: Asker,
  order: Omit<PayloadOf<CryptokiProtocol, "ChangePin">, "token">
): Effect.Effect<TokenDescription, TokenRefusal> =>
  withConnection(context, (connection) =>
    Effect.gen(function* () {
      yield* openSession(context.tools, connection)
      const changed = yield* Effect.result(
        connection.preparing.withPermit(
          order.by.kind === "change"
            ? byOldPin(context, connection, asker, order.newPin)
            : bySoPin(context, connection, asker, { soPin: order.by.soPin, newPin: order.newPin })
        )
      )
      if (Result.isSuccess(changed)) return describeToken(connection.token)
      const failure = changed.failure
      if (!isHostFault(failure)) return yield* Effect.fail(failure)
      if (failure._tag === "CallRefused" && isAboutNewPin(failure.call, failure.code))
        return yield* new PinRejected({ token: context.token, reason: "invalid" })
      return yield* repairAfter(context, connection, failure, "change-pin")
    })
  )

const byOldPin = (
  context: TokenContext,
  connection: TokenConnection,
  asker: Asker,
  newPin: Redacted.Redacted<string>
) =>
  Effect.gen(function* () {
    const { token, tools } = context
    const oldPin = pinOf(tools, connection.token, asker)
    if (oldPin === undefined) return yield* new PinMissing({ token })
    const { session } = connection
    const login = session?.login
    const { client } = asker
    if (login && client !== undefined)
      yield* tools.latch.clients.compare(latchedToken(connection.token), client, () => login(oldPin))
    if (login && !login(oldPin)) return yield* new PinRejected({ token, reason: "differs", pin: "current" })
    const asked = {
      slot: connection.token.facts.slot,
      oldPin: Redacted.value(oldPin),
      newPin: Redacted.value(newPin)
    }
    const call = connection.host.call("setPin", asked, tools.settings.limits.loginMs)
    if (client !== undefined) yield* tools.latch.clients.admit(latchedToken(connection.token), client)
    const isCountLow = userPinFlags(tools, connection)
    yield* isCountLow
    yield* tools.latch.guard(latchedToken(connection.token), oldPin, {
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
  context: TokenContext,
  connection: TokenConnection,
  { client }: Asker,
  { soPin, newPin }: { readonly soPin: Redacted.Redacted<string>; readonly newPin: Redacted.Redacted<string> }
): Effect.Effect<void, TokenRefusal | HostFault> =>
  Effect.gen(function* () {
    const { token, tools } = context
    const { slot } = connection.token.facts
    const isCountLow = Effect.gen(function* () {
      const { flags } = yield* tokenNow(tools, connection)
      if ((flags & CKF_SO_PIN_LOCKED) !== 0) return yield* new PinRejected({ token, reason: "locked", pin: "so" })
      if ((flags & CKF_SO_PIN_FINAL_TRY) !== 0) return yield* new PinRejected({ token, reason: "finalTry", pin: "so" })
      return (flags & CKF_SO_PIN_COUNT_LOW) !== 0
    })
    if (client !== undefined) yield* tools.latch.clients.admit(latchedSo(connection.token), client)
    yield* isCountLow
    const asked = { slot, soPin: Redacted.value(soPin), newPin: Redacted.value(newPin) }
    const login = Effect.suspend(() => {
      // The host closes every session for it, and with them the login.
      connection.session = undefined
      return connection.host.call("resetPin", asked, tools.settings.limits.loginMs)
    })
    yield* tools.latch.guard(latchedSo(connection.token), soPin, { login, client, isCountLow })
    yield* tools.latch.clear(latchedToken(connection.token), newPin)
  })
