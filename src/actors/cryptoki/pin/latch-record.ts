/**
 * The PIN latch of a token: refused PINs, logins with an unknown outcome, and the resulting rules. Pure.
 *
 * Only what PKCS #11 calls a refusal of the PIN is one; any other end of a login is an unknown outcome.
 * - A refused PIN is not retried. This device's own programs try at most two PINs without a success in between;
 *   clients of the signing service one each, and two PINs reach the token in all. The last attempt is reserved for the PIN
 *   that succeeded last.
 * - After an unknown outcome the next login is delayed, 1 s doubling to 5 min. It is retried for a PIN that has succeeded,
 *   on a token that never locks, and on one whose flags show that it counted no wrong PIN; otherwise at most twice.
 *
 * PINs appear as marks: HMAC-SHA-256 with a key that only the service's user reads (`latch-store.ts`).
 * Source: PKCS #11 v2.40, 5.1.6 (return values about PINs), 3.2.6 (CKF_USER_PIN_COUNT_LOW).
 */
import type { BootMoment } from "../../../platform/process/boot-time.ts"

export interface LatchRecord {
  readonly version: typeof recordVersion
  /** The token's URI, for display. */
  readonly token: string
  /** Identifies the key of the marks. */
  readonly keyId: string
  readonly refused: ReadonlyArray<RefusedPin>
  /** Wrong PINs since the last success. `clients`: by user id. */
  readonly tries: { readonly own: number; readonly clients: Readonly<Record<string, number>> }
  readonly unknown: Readonly<Partial<Record<Track, UnknownOutcomes>>>
  /** The mark of each program's configured PIN at its last attempt; `""`: it had none. */
  readonly settings: Readonly<Record<string, string>>
  /** Re-insertion lifts the latch of a refused PIN once. */
  readonly isReinserted: boolean
}

export const recordVersion = 2

export interface RefusedPin {
  readonly mark: string
  readonly reason: "incorrect" | "locked" | "expired" | "invalid"
  /** Wall time, milliseconds since 1970; for people. */
  readonly at: number
}

/** Consecutive logins with an unknown outcome: of the PIN that succeeded last, of other PINs, of clients' PINs. */
type Track = "proven" | "own" | "client"

interface UnknownOutcomes {
  readonly count: number
  /** How the last one ended. */
  readonly detail: string
  readonly since: BootMoment
}

/** A PIN to be tried, by its mark. */
export interface PinTry {
  readonly mark: string
  /** The PIN of this program's settings; `""`: none. */
  readonly configured: string
  readonly program: string
  /** The PIN that last succeeded on this token, with the current settings. */
  readonly proven: string | undefined
  /** User id of the signing service's client that sent it; undefined: ours, root's or the service's own user's. */
  readonly client: string | undefined
  /** Typed by a person: it does not wait for the configured PIN to be tried first. */
  readonly isTyped: boolean
  readonly mayLock: boolean
  /** A token of this kind shows by its flags that it counted a wrong PIN. */
  readonly showsFlags: boolean
  /** CKF_USER_PIN_COUNT_LOW, read just now. */
  readonly isCountLow: boolean
}

type Verdict =
  | { readonly kind: "try" }
  | { readonly kind: "wait"; readonly ms: number; readonly detail: string }
  | { readonly kind: "refuse"; readonly reason: LatchReason; readonly detail?: string }

type LatchReason =
  | "latched"
  | "latchedAll"
  | "reserved"
  | "clientTried"
  | "unanswered"
  | "countLow"
  | "locked"
  | "expired"

const maximalTries = 2

export const emptyRecord = (token: string, keyId: string): LatchRecord => ({
  version: recordVersion,
  token,
  keyId,
  refused: [],
  tries: { own: 0, clients: {} },
  unknown: {},
  settings: {},
  isReinserted: false
})

export const judge = (before: LatchRecord | undefined, attempt: PinTry, now: BootMoment): Verdict => {
  if (before === undefined) return { kind: "try" }
  const refused = before.refused.find(({ mark }) => mark === attempt.mark)
  if (refused) {
    const { reason } = refused
    return { kind: "refuse", reason: reason === "locked" || reason === "expired" ? reason : "latched" }
  }
  const record = withPresentSetting(before, attempt)
  return judgeTries(record, attempt) ?? judgeUnknown(record, attempt, now)
}

const judgeTries = (record: LatchRecord, attempt: PinTry): Verdict | undefined => {
  const { own, clients } = record.tries
  const kept = keptFor(record, attempt)
  if (kept === attempt.mark && attempt.mark === attempt.proven) return undefined
  const refuse = (reason: LatchReason): Verdict => ({ kind: "refuse", reason })
  if (attempt.client === undefined) {
    if (own >= maximalTries) return refuse("latchedAll")
    return own >= maximalTries - 1 && kept !== undefined && kept !== attempt.mark ? refuse("reserved") : undefined
  }
  const all = triesOfAll(record)
  if ((clients[attempt.client] ?? 0) > 0) return refuse("clientTried")
  if (all >= maximalTries) return refuse("latchedAll")
  return all >= maximalTries - 1 && kept !== undefined ? refuse("reserved") : undefined
}

const judgeUnknown = (record: LatchRecord, attempt: PinTry, now: BootMoment): Verdict => {
  const track = trackOf(attempt)
  const unknown = record.unknown[track]
  if (unknown === undefined) return { kind: "try" }
  const { detail } = unknown
  if (attempt.mayLock && attempt.isCountLow) return { kind: "refuse", reason: "countLow", detail }
  const bad = unknown.count + (track === "own" ? record.tries.own : 0)
  if (track !== "proven" && attempt.mayLock && !attempt.showsFlags && bad >= maximalTries)
    return { kind: "refuse", reason: "unanswered", detail }
  const ms = pauseAfter(unknown.count) - (now.bootMs - unknown.since.bootMs)
  return ms > 0 ? { kind: "wait", ms, detail } : { kind: "try" }
}

/** The PIN for which the last attempt is reserved: the one that succeeded last, else the configured one, if not refused since. */
const keptFor = (record: LatchRecord, { proven, configured, client, isTyped }: PinTry): string | undefined => {
  const isOpen = (mark: string) => record.refused.every((refused) => refused.mark !== mark)
  if (proven !== undefined && isOpen(proven)) return proven
  // The configured one has an attempt of its own besides those of clients.
  return client === undefined && !isTyped && configured !== "" && isOpen(configured) ? configured : undefined
}

const triesOfAll = ({ tries }: LatchRecord): number =>
  Object.values(tries.clients).reduce((sum, one) => sum + one, tries.own)

const trackOf = ({ mark, proven, client }: PinTry): Track =>
  mark === proven ? "proven" : client === undefined ? "own" : "client"

/** 1 s, 2 s, 4 s … 5 min. */
export const pauseAfter = (count: number): number => Math.min(1000 * 2 ** Math.max(0, count - 1), longestPauseMs)

const longestPauseMs = 300_000

/** Timestamps of another boot, or in the future, are not comparable: those delays restart. */
export const withPausesAnew = (record: LatchRecord, now: BootMoment): LatchRecord => {
  const isOdd = ({ since }: UnknownOutcomes) => !isComparable(since, now)
  if (!Object.values(record.unknown).some(isOdd)) return record
  const unknown = Object.fromEntries(
    Object.entries(record.unknown).map(([track, one]) => [track, isOdd(one) ? { ...one, since: now } : one])
  )
  return { ...record, unknown }
}

/** The record during an attempt: if the process exits, the outcome is unknown. */
export const duringTry = (before: LatchRecord, attempt: PinTry, now: BootMoment): LatchRecord =>
  afterUnknown(before, attempt, "the process ended in C_Login", now)

/** The login ended without a verdict on the PIN. A client's may have been wrong. */
export const afterUnknown = (before: LatchRecord, attempt: PinTry, detail: string, now: BootMoment): LatchRecord => {
  const record = withPresentSetting(before, attempt)
  const track = trackOf(attempt)
  const count = (record.unknown[track]?.count ?? 0) + 1
  const counted = track === "client" && attempt.mayLock ? withTry(record, attempt) : record
  return { ...counted, unknown: { ...record.unknown, [track]: { count, detail, since: now } } }
}

export const afterRefusal = (
  before: LatchRecord,
  attempt: PinTry,
  reason: RefusedPin["reason"],
  at: number
): LatchRecord => {
  const record = withTry(withPresentSetting(before, attempt), attempt)
  return { ...record, refused: [...record.refused, { mark: attempt.mark, reason, at }].slice(-rememberedPins) }
}

/** Some tokens refuse the right PIN after re-insertion: one more attempt each, the counts are kept. */
export const afterReinsertion = ({ unknown: { proven: _proven, ...unknown }, ...record }: LatchRecord): LatchRecord =>
  record.isReinserted ? { ...record, unknown } : { ...record, unknown, refused: [], isReinserted: true }

/** With another key the marks are meaningless: no PIN is known to be refused, but the counts are kept. */
export const withKey = (record: LatchRecord, keyId: string): LatchRecord =>
  record.keyId === keyId ? record : { ...record, keyId, refused: [], settings: {} }

const withTry = (record: LatchRecord, { client }: PinTry): LatchRecord => {
  const { own, clients } = record.tries
  const tries =
    client === undefined
      ? { own: own + 1, clients }
      : { own, clients: { ...clients, [client]: (clients[client] ?? 0) + 1 } }
  return { ...record, tries }
}

/** A person has changed the setting to this new PIN: our own attempts restart. */
const withPresentSetting = (record: LatchRecord, attempt: PinTry): LatchRecord => {
  const { program, configured, mark, client } = attempt
  const before = record.settings[program]
  const settings = { ...record.settings, [program]: configured }
  const isNew = client === undefined && mark === configured && before !== undefined && before !== configured
  if (!isNew) return { ...record, settings }
  const { own: _own, ...unknown } = record.unknown
  return { ...record, settings, unknown, tries: { ...record.tries, own: 0 } }
}

/** Bounds the file; more different PINs than anyone tries. */
const rememberedPins = 64

/** Whether a stored timestamp is comparable with now: same boot, not in the future. Otherwise a delay restarts. */
export const isComparable = (began: BootMoment, now: BootMoment): boolean =>
  began.bootId === now.bootId && began.bootMs <= now.bootMs
