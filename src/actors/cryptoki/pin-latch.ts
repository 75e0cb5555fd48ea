/**
 * Tries a PIN on a token, at most once, whatever happens and in whichever process.
 *
 *   lock -> read -> judge -> count the try -> C_Login -> forget it all (accepted) or record the PIN (refused)
 *
 * A refusal is on the disk before anybody hears of it. The lock spans all of it, so two processes never try together.
 */
import { randomBytes } from "node:crypto"
import { Effect, Redacted, Result } from "effect"
import { PinRejected, TokenUnavailable } from "../../messages/token-refusals.ts"
import { wallNow } from "../../runtime/wall-time.ts"
import {
  CKR_GENERAL_ERROR,
  CKR_PIN_EXPIRED,
  CKR_PIN_INVALID,
  CKR_PIN_LEN_RANGE,
  CKR_PIN_LOCKED,
  faultClass
} from "./fault-class.ts"
import type { CallRefused, HostFault } from "./host-client.ts"
import {
  afterRefusal,
  afterReinsertion,
  duringTry,
  emptyRecord,
  judge,
  type LatchRecord,
  maximalTries,
  type PinTry,
  parseRecord,
  type RefusedPin
} from "./latch-record.ts"
import type { LatchStore } from "./latch-store.ts"

/** The token a latch is for: `identity` names the file, the rest is for people. */
export interface LatchedToken {
  readonly identity: string
  readonly name: string
  readonly uri: string
  /** SoftHSM: it says CKR_PIN_INCORRECT to a wrong PIN, and CKR_GENERAL_ERROR while another process writes its files. */
  readonly isFiles?: boolean
}

export interface PinLatch {
  /** Runs `login` unless the latch forbids it, and remembers how it ended. */
  readonly guard: <A>(
    token: LatchedToken,
    pin: Redacted.Redacted<string>,
    login: Effect.Effect<A, HostFault>
  ) => Effect.Effect<A, PinRejected | TokenUnavailable | HostFault>
  /** The token was out and is back. */
  readonly reinserted: (token: LatchedToken) => Effect.Effect<void>
  readonly clear: (token: LatchedToken) => Effect.Effect<void, TokenUnavailable>
}

export const makePinLatch = (
  store: LatchStore,
  configured: () => { readonly pin: Redacted.Redacted<string> | undefined; readonly program: string },
  latched: (token: LatchedToken, reason: PinRejected["reason"]) => Effect.Effect<void>
): PinLatch => ({
  guard: (token, pin, login) =>
    underLock(
      store,
      token,
      Effect.gen(function* () {
        const before = yield* readRecord(store, token)
        const { pin: setting, program } = configured()
        const attempt = { pin: Redacted.value(pin), configured: setting && Redacted.value(setting), program }
        const verdict = judge(before, attempt)
        if (verdict !== "try") return yield* new PinRejected({ token: token.name, reason: verdict })
        const tried = duringTry(before ?? emptyRecord(token.uri, randomBytes(16).toString("hex")), attempt)
        yield* save(store, token, tried)
        const ended = yield* Effect.result(login)
        if (Result.isSuccess(ended)) {
          yield* store.remove(token.identity)
          return ended.success
        }
        const fault = ended.failure
        // Nobody saw how it ended: the try stays counted.
        if (fault._tag !== "CallRefused") return yield* fault
        const refusal = yield* settle(store, token, fault, { before, tried, attempt })
        if (refusal === undefined) return yield* fault
        yield* latched(token, refusal.reason)
        return yield* refusal
      })
    ),
  reinserted: (token) =>
    underLock(
      store,
      token,
      Effect.flatMap(readRecord(store, token), (record) =>
        record ? save(store, token, afterReinsertion(record)) : Effect.void
      )
      // Another process is logging in just now: its result counts, and the PIN stays as it was.
    ).pipe(Effect.catchTag("TokenUnavailable", () => Effect.void)),
  clear: (token) => underLock(store, token, store.remove(token.identity))
})

/** The SO PIN has tries, and a latch, of its own. */
export const ofSecurityOfficer = (token: LatchedToken): LatchedToken => ({ ...token, identity: `so ${token.identity}` })

/** What happens between the PIN's way to the token and the record of its fate is not to be interrupted. */
export const underLock = <A, E>(
  store: LatchStore,
  token: LatchedToken,
  work: Effect.Effect<A, E>
): Effect.Effect<A, E | TokenUnavailable> =>
  Effect.scoped(
    Effect.andThen(
      Effect.mapError(
        store.lock(token.identity),
        ({ pid }) =>
          new TokenUnavailable({
            token: token.name,
            call: "C_Login",
            code: undefined,
            detail: `process ${pid ?? "?"} is logging in`
          })
      ),
      Effect.uninterruptible(work)
    )
  )

interface Try {
  readonly before: LatchRecord | undefined
  readonly tried: LatchRecord
  readonly attempt: PinTry
}

/** Records what the token said to the PIN; undefined when it said nothing about the PIN, and the try does not count. */
const settle = (store: LatchStore, token: LatchedToken, fault: CallRefused, { before, tried, attempt }: Try) =>
  Effect.gen(function* () {
    const reason = refusalReason(token, fault)
    if (reason === undefined) {
      yield* before === undefined ? store.remove(token.identity) : save(store, token, before)
      return undefined
    }
    const now = yield* wallNow
    yield* save(store, token, afterRefusal(tried, attempt, reason, now))
    return fault.code === CKR_GENERAL_ERROR ? undefined : new PinRejected({ token: token.name, reason })
  })

/** Some modules say CKR_GENERAL_ERROR to a wrong PIN. What other calls of the guarded work say is not about it. */
const refusalReason = ({ isFiles }: LatchedToken, { call, code }: CallRefused): RefusedPin["reason"] | undefined => {
  if (call === "C_Login" && code === CKR_GENERAL_ERROR) return isFiles ? undefined : "incorrect"
  if (faultClass(code) !== "pin" || isAboutNewPin(call, code)) return undefined
  if (code === CKR_PIN_LOCKED) return "locked"
  if (code === CKR_PIN_EXPIRED) return "expired"
  return code === CKR_PIN_INVALID || code === CKR_PIN_LEN_RANGE ? "invalid" : "incorrect"
}

/** C_SetPIN says these of the PIN that was to be set. */
export const isAboutNewPin = (call: string, code: number): boolean =>
  (call === "C_SetPIN" || call === "C_InitPIN") && (code === CKR_PIN_INVALID || code === CKR_PIN_LEN_RANGE)

const save = (store: LatchStore, token: LatchedToken, record: LatchRecord) =>
  store.write(token.identity, JSON.stringify(record))

/** A file that cannot be understood may hide two refusals, so it forbids. */
const readRecord = (store: LatchStore, token: LatchedToken): Effect.Effect<LatchRecord | undefined> =>
  Effect.map(store.read(token.identity), (text) =>
    text === undefined
      ? undefined
      : (parseRecord(text) ?? {
          ...emptyRecord(token.uri, randomBytes(16).toString("hex")),
          tries: maximalTries
        })
  )
