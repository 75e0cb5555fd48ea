/**
 * Tries a PIN on a token, and prevents our PINs from locking it, whichever process they come from.
 *
 *   lock -> read -> judge -> flags -> count the attempt -> C_Login -> clear (accepted) or record the outcome
 *
 * A refusal is on disk before it is reported. The lock covers all of it, so two processes never try at the same time.
 */
import { Effect, type Redacted, Result } from "effect"
import type { ClientId, CryptokiEvent } from "../../../messages/cryptoki.ts"
import { LoginDelayed, type PinRejected } from "../../../messages/token-refusals.ts"
import { bootMomentNow } from "../../../platform/process/boot-time.ts"
import { monotonicNow } from "../../../runtime/primitives/monotonic-time.ts"
import { wallNow } from "../../../runtime/primitives/wall-time.ts"
import type { HostFault } from "../host/faults.ts"
import { faultClass } from "../pkcs11/return-codes.ts"
import { type ClientPins, makeClientPins } from "./client-budget.ts"
import { type LatchNotes, latchNotes } from "./latch-notes.ts"
import {
  afterRefusal,
  afterReinsertion,
  afterUnknown,
  duringTry,
  judge,
  type LatchRecord,
  type PinTry
} from "./latch-record.ts"
import type { LatchStore } from "./latch-store.ts"
import { type LatchedToken, rejected } from "./latched-token.ts"
import { loginOutcome } from "./login-outcome.ts"

interface Login<A, E> {
  readonly login: Effect.Effect<A, E>
  /** The sender of the PIN, if it is a client whose wrong ones are counted. */
  readonly client?: ClientId | undefined
  /** A person typed the PIN for this: `--current-pin`. */
  readonly isTyped?: boolean
  /** The effective PIN after a success, if it is another. */
  readonly newPin?: Redacted.Redacted<string>
  /** Reads the token's flags just before the attempt; returns whether CKF_USER_PIN_COUNT_LOW is set. */
  readonly isCountLow?: Effect.Effect<boolean, PinRejected | E>
  /** Number of logins, for the rate limit; 0: not limited. Default 1. */
  readonly logins?: (done: A) => number
}

export interface PinLatch {
  /** Logs in unless the latch forbids it, and records the outcome. */
  readonly guard: <A, E extends HostFault>(
    token: LatchedToken,
    pin: Redacted.Redacted<string>,
    login: Login<A, E>
  ) => Effect.Effect<A, PinRejected | LoginDelayed | E>
  readonly clients: ClientPins
  /** The token was removed and is back. */
  readonly reinserted: (token: LatchedToken) => Effect.Effect<void>
  /** The token has another PIN by now, or a person allows all attempts again. */
  readonly clear: (token: LatchedToken, newPin?: Redacted.Redacted<string>) => Effect.Effect<void, LoginDelayed>
}

interface Latch {
  readonly store: LatchStore
  readonly configured: () => { readonly pin: Redacted.Redacted<string> | undefined; readonly program: string }
  readonly publish: (event: CryptokiEvent) => Effect.Effect<void>
  readonly clients: ClientPins
  readonly notes: LatchNotes
  readonly rate: LoginRate
}

export const makePinLatch = (
  store: LatchStore,
  configured: Latch["configured"],
  publish: Latch["publish"]
): PinLatch => {
  const clients = makeClientPins(store, publish)
  const notes = latchNotes(store, publish)
  const latch: Latch = { store, configured, publish, clients, notes, rate: new LoginRate() }
  return {
    clients,
    guard: (token, pin, login) => guarded(latch, token, pin, login),
    reinserted: (token) =>
      underLock(
        store,
        token,
        Effect.flatMap(notes.read(token), (record) =>
          record ? notes.save(token, afterReinsertion(record)) : Effect.void
        )
        // Another process is logging in: its result counts, and the PIN stays as it was.
      ).pipe(Effect.catch(() => Effect.void)),
    clear: (token, newPin) => underLock(store, token, notes.clear(token, newPin))
  }
}

/** From passing the PIN to the token until the outcome is recorded, interruption is disabled. */
export const underLock = <A, E>(
  store: LatchStore,
  token: LatchedToken,
  work: Effect.Effect<A, E>
): Effect.Effect<A, E | LoginDelayed> =>
  Effect.scoped(
    Effect.andThen(
      Effect.mapError(store.lock(token.identity), ({ pid }) => {
        const detail = pid === undefined ? "" : String(pid)
        return new LoginDelayed({ token: token.name, reason: "otherProcess", detail, retryInMs: undefined })
      }),
      Effect.uninterruptible(work)
    )
  )

const guarded = <A, E extends HostFault>(
  latch: Latch,
  token: LatchedToken,
  pin: Redacted.Redacted<string>,
  login: Login<A, E>
): Effect.Effect<A, PinRejected | LoginDelayed | E> =>
  Effect.gen(function* () {
    const { client } = login
    for (;;) {
      if (client !== undefined) yield* latch.clients.admit(token, client)
      const tried = yield* underLock(latch.store, token, tryOnce(latch, token, pin, login))
      if ("done" in tried) return tried.done
      if (tried.delayed.retryInMs === undefined || tried.delayed.retryInMs > patienceMs)
        return yield* Effect.fail(tried.delayed)
      yield* Effect.sleep(tried.delayed.retryInMs)
    }
  })

/** A request waits this long for its login, instead of being refused. */
const patienceMs = 2000

type Tried<A> = { readonly done: A } | { readonly delayed: LoginDelayed }

/** Under the token's lock. */
const tryOnce = <A, E extends HostFault>(
  latch: Latch,
  token: LatchedToken,
  pin: Redacted.Redacted<string>,
  login: Login<A, E>
): Effect.Effect<Tried<A>, PinRejected | LoginDelayed | E> =>
  Effect.gen(function* () {
    const { client } = login
    // Others of its requests may have completed while this one waited for the lock.
    if (client !== undefined) yield* latch.clients.admit(token, client)
    const before = yield* latch.notes.read(token)
    const attempt = yield* pinTry(latch, token, pin, login)
    const tried = yield* Effect.result(tryMarked(latch, { token, before, attempt, login }))
    if (client !== undefined) {
      if (Result.isSuccess(tried) && "done" in tried.success) yield* latch.clients.right(token, client)
      // The record of the PIN that last succeeded reveals nothing new to its owner.
      else if (attempt.mark !== attempt.proven) yield* latch.clients.wrong(token, client)
    }
    return yield* Effect.fromResult(tried)
  })

interface Trial<A, E> {
  readonly token: LatchedToken
  readonly before: LatchRecord | undefined
  readonly attempt: PinTry
  readonly login: Login<A, E>
}

const tryMarked = <A, E extends HostFault>(
  latch: Latch,
  trial: Trial<A, E>
): Effect.Effect<Tried<A>, PinRejected | LoginDelayed | E> =>
  Effect.gen(function* () {
    const { token, before, login } = trial
    const early = yield* judged(trial)
    if (early) return { delayed: early }
    const isCountLow = login.isCountLow ? yield* login.isCountLow : false
    const attempt = { ...trial.attempt, isCountLow }
    const late = yield* judged({ ...trial, attempt })
    if (late) return { delayed: late }
    const waitMs = yield* rateOf(latch, trial)
    if (waitMs > 0) return { delayed: delayed(token, "tooOften", "", waitMs) }
    const record = before ?? (yield* latch.notes.empty(token))
    yield* latch.notes.save(token, duringTry(record, attempt, yield* bootMomentNow))
    const ended = yield* Effect.result(login.login)
    if (Result.isSuccess(ended)) {
      yield* latch.notes.save(token, undefined)
      const mark = login.newPin ? yield* latch.notes.mark(token, login.newPin) : attempt.mark
      yield* latch.notes.prove(token, mark, attempt)
      for (let more = login.logins?.(ended.success) ?? 1; more > 1; more--) yield* rateOf(latch, trial)
      return { done: ended.success }
    }
    return yield* noteEnd(latch, { ...trial, attempt }, record, ended.failure)
  })

/** Undefined: the PIN may be tried. */
const judged = <A, E>({ token, before, attempt }: Trial<A, E>): Effect.Effect<LoginDelayed | undefined, PinRejected> =>
  Effect.flatMap(bootMomentNow, (now) => {
    const verdict = judge(before, attempt, now)
    switch (verdict.kind) {
      case "try":
        return Effect.succeed(undefined)
      case "wait":
        return Effect.succeed(delayed(token, "unanswered", verdict.detail, verdict.ms))
      case "refuse": {
        return Effect.fail(rejected(token, verdict.reason, { isTyped: attempt.isTyped, detail: verdict.detail }))
      }
    }
  })

const rateOf = <A, E>({ rate }: Latch, { token, login }: Trial<A, E>): Effect.Effect<number> =>
  login.logins === countsNot ? Effect.succeed(0) : Effect.map(monotonicNow, (now) => rate.take(token.identity, now))

/** For a PIN that is passed with each signature. */
export const countsNot = (): number => 0

/** Records the token's verdict on the PIN, and reports it. */
const noteEnd = <A, E extends HostFault>(
  latch: Latch,
  { token, before, attempt }: Trial<A, E>,
  record: LatchRecord,
  fault: E
): Effect.Effect<never, PinRejected | LoginDelayed | E> =>
  Effect.gen(function* () {
    const outcome = loginOutcome(fault)
    if (outcome.kind === "notAsked") {
      yield* latch.notes.save(token, before)
      return yield* Effect.fail(fault)
    }
    if (outcome.kind === "refused") {
      const at = yield* wallNow
      yield* latch.notes.saveOutcome(token, afterRefusal(record, attempt, outcome.reason, at))
      const isLocked = outcome.reason === "locked" && token.isSo !== true
      yield* latch.publish({ _tag: "PinLatched", token: token.name, ...(isLocked && { isLocked }) })
      return yield* rejected(token, outcome.reason, attempt)
    }
    const { detail } = outcome
    const now = yield* bootMomentNow
    const noted = afterUnknown(record, attempt, detail, now)
    yield* latch.notes.saveOutcome(token, noted)
    const next = judge(noted, attempt, now)
    const retryInMs = next.kind === "wait" ? next.ms : undefined
    yield* latch.publish({ _tag: "LoginUnanswered", token: token.name, detail, retryInMs })
    const isHealed = fault._tag !== "CallRefused" || ["session", "device"].includes(faultClass(fault.code))
    return yield* isHealed ? Effect.fail(fault) : Effect.fail(delayed(token, "unanswered", detail, retryInMs))
  })

const delayed = (
  { name }: LatchedToken,
  reason: LoginDelayed["reason"],
  detail: string,
  retryInMs: number | undefined
): LoginDelayed => new LoginDelayed({ token: name, reason, detail, retryInMs })

const pinTry = <A, E>(
  { notes, configured }: Latch,
  token: LatchedToken,
  pin: Redacted.Redacted<string>,
  { client, isTyped = false }: Login<A, E>
): Effect.Effect<PinTry> =>
  Effect.gen(function* () {
    const { pin: setting, program } = configured()
    const ofSetting = setting && !token.isSo ? yield* notes.mark(token, setting) : ""
    const proof = yield* notes.proof(token)
    const before = proof?.settings[program]
    return {
      mark: yield* notes.mark(token, pin),
      configured: ofSetting,
      program,
      proven: before === undefined || before === ofSetting ? proof?.mark : undefined,
      client: client?.toString(),
      isTyped,
      mayLock: token.neverLocks !== true,
      showsFlags: token.showsFlags === true,
      isCountLow: false
    }
  })

/**
 * At most ten logins a minute per token, whatever their outcome: a fault that recurs after each login would
 * otherwise wear out the token.
 */
export class LoginRate {
  private readonly madeAt = new Map<string, ReadonlyArray<number>>()

  /** Monotonic milliseconds. Delay until the next login; 0: it is allowed now, and counted. */
  take(identity: string, now: number): number {
    const recent = (this.madeAt.get(identity) ?? []).filter((at) => now - at < windowMs)
    const [oldest] = recent
    if (recent.length >= loginsInWindow && oldest !== undefined) return oldest + windowMs - now
    this.madeAt.set(identity, [...recent, now])
    return 0
  }
}

const loginsInWindow = 10
const windowMs = 60_000
