/**
 * What is remembered of refused PINs, and what follows from it. Pure; `pin-latch.ts` keeps it.
 *
 * A token locks after three wrong PINs, so we stop after two, whoever asks and whatever the PINs. A PIN that was
 * refused is not tried again. While there is a configured PIN that was not refused yet, one of the two is kept for it:
 * whoever else brings PINs takes the other, and does not lock out our own.
 * A login whose end nobody saw (killed, crashed) counts as a try, without blaming the PIN.
 */
import { scryptSync } from "node:crypto"

export interface LatchRecord {
  /** The token's URI, for people. */
  readonly token: string
  /** Hex. */
  readonly salt: string
  readonly refused: ReadonlyArray<RefusedPin>
  /** Tries since the last successful login. */
  readonly tries: number
  /**
   * The configured PIN of each program when a PIN was last refused there, hashed. A new one of the same program starts
   * the count again; that another program has another PIN does not.
   */
  readonly settings: Readonly<Record<string, string>>
  /** Re-insertion lifts it once. */
  readonly isReinserted: boolean
}

export interface RefusedPin {
  readonly hash: string
  readonly reason: "incorrect" | "locked" | "expired" | "invalid"
  /** Milliseconds since 1970. */
  readonly at: number
}

/** A PIN to judge. `configured`: the PIN of our own settings, if there is one. `program`: whose settings they are. */
export interface PinTry {
  readonly pin: string
  readonly configured: string | undefined
  readonly program: string
}

export type Verdict =
  | "try"
  | "latched"
  | "latchedAll"
  | "reserved"
  | Exclude<RefusedPin["reason"], "incorrect" | "invalid">

export const maximalTries = 2

export const emptyRecord = (token: string, salt: string): LatchRecord => ({
  token,
  salt,
  refused: [],
  tries: 0,
  settings: {},
  isReinserted: false
})

export const judge = (record: LatchRecord | undefined, attempt: PinTry): Verdict => {
  if (record === undefined) return "try"
  const hash = pinHash(record, attempt.pin)
  const before = record.refused.find((refused) => refused.hash === hash)
  if (before) return before.reason === "locked" || before.reason === "expired" ? before.reason : "latched"
  if (isNewSetting(record, attempt)) return "try"
  if (record.tries >= maximalTries) return "latchedAll"
  return record.tries >= maximalTries - 1 && isKeptForSetting(record, attempt) ? "reserved" : "try"
}

/** The last try is for the configured PIN, and this is another. */
const isKeptForSetting = (record: LatchRecord, { pin, configured }: PinTry): boolean => {
  if (configured === undefined || configured === pin) return false
  const hash = pinHash(record, configured)
  return record.refused.every((refused) => refused.hash !== hash)
}

/** The record while the PIN is being tried: should we not live to see the end, the try is counted. */
export const duringTry = (record: LatchRecord, attempt: PinTry): LatchRecord => ({
  ...record,
  tries: (isNewSetting(record, attempt) ? 0 : record.tries) + 1
})

export const afterRefusal = (
  tried: LatchRecord,
  attempt: PinTry,
  reason: RefusedPin["reason"],
  at: number
): LatchRecord => ({
  ...tried,
  settings:
    attempt.configured === undefined
      ? tried.settings
      : { ...tried.settings, [attempt.program]: pinHash(tried, attempt.configured) },
  refused: [...tried.refused, { hash: pinHash(tried, attempt.pin), reason, at }].slice(-rememberedPins)
})

/** Some tokens refuse the right PIN after they were plugged in again: one more try each, the count stays. */
export const afterReinsertion = (record: LatchRecord): LatchRecord =>
  record.isReinserted ? record : { ...record, refused: [], isReinserted: true }

/** Undefined for what is no record; a reader must then take the worst for true. */
export const parseRecord = (text: string): LatchRecord | undefined => {
  try {
    const value: unknown = JSON.parse(text)
    return isRecord(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** The person has changed the setting since, and this is the new PIN. */
const isNewSetting = (record: LatchRecord, { pin, configured, program }: PinTry): boolean => {
  const before = record.settings[program]
  return configured === pin && before !== undefined && before !== pinHash(record, pin)
}

/** Slow on purpose: a PIN has few digits. */
const pinHash = ({ salt }: LatchRecord, pin: string): string =>
  scryptSync(pin, Buffer.from(salt, "hex"), 32, { N: 4096 }).toString("hex")

/** More different PINs than anybody tries; bounds the file. */
const rememberedPins = 64

const isRecord = (value: unknown): value is LatchRecord =>
  typeof value === "object" &&
  value !== null &&
  "token" in value &&
  typeof value.token === "string" &&
  "salt" in value &&
  typeof value.salt === "string" &&
  "tries" in value &&
  typeof value.tries === "number" &&
  "refused" in value &&
  Array.isArray(value.refused) &&
  "settings" in value &&
  typeof value.settings === "object" &&
  value.settings !== null &&
  "isReinserted" in value &&
  typeof value.isReinserted === "boolean"
