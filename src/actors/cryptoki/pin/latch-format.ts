/**
 * How latch records, and what proves a PIN, are written in files.
 *
 * Version 1 held salted hashes, which let a PIN of few digits be found by trying them all: of its records only the
 * number of refused PINs is taken over. A record of a later version is left as it is.
 */
import { emptyRecord, type LatchRecord, recordVersion } from "./latch-record.ts"

export type ReadRecord =
  | { readonly kind: "record"; readonly record: LatchRecord; readonly isOld?: true }
  | { readonly kind: "newer" }
  | { readonly kind: "unreadable" }

/** `keyId`: of the key that is there now, for records that had none. */
export const parseRecord = (text: string, keyId: string): ReadRecord => {
  const value = parseJson(text)
  if (isNewerValue(value)) return { kind: "newer" }
  if (isRecord(value)) return { kind: "record", record: value }
  if (!isFirstVersion(value)) return { kind: "unreadable" }
  const { token, refused, isReinserted } = value
  const tries = { own: Math.min(refused.length, 2), clients: {} }
  return { kind: "record", isOld: true, record: { ...emptyRecord(token, keyId), tries, isReinserted } }
}

/** The PIN that succeeded last. */
export interface Proof {
  readonly version: typeof recordVersion
  readonly keyId: string
  readonly mark: string
  /** The mark of each program's configured PIN when it succeeded. */
  readonly settings: Readonly<Record<string, string>>
}

/** Undefined for what is none, and for one of another version. */
export const parseProof = (text: string): Proof | undefined => {
  const value = parseJson(text)
  return isProof(value) ? value : undefined
}

export const isNewer = (text: string): boolean => isNewerValue(parseJson(text))

const isNewerValue = (value: unknown): boolean =>
  isObject(value) && typeof value.version === "number" && value.version > recordVersion

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

type Fields = { readonly [name: string]: unknown }

const isObject = (value: unknown): value is Fields => typeof value === "object" && value !== null
const isText = (value: unknown): value is string => typeof value === "string"
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0
const isMapOf = (value: unknown, isOne: (one: unknown) => boolean): boolean =>
  isObject(value) && !Array.isArray(value) && Object.values(value).every(isOne)

const isRecord = (value: unknown): value is LatchRecord =>
  isObject(value) &&
  value.version === recordVersion &&
  isText(value.token) &&
  isText(value.keyId) &&
  Array.isArray(value.refused) &&
  value.refused.every(isRefusedPin) &&
  isObject(value.tries) &&
  isCount(value.tries.own) &&
  isMapOf(value.tries.clients, isCount) &&
  isMapOf(value.unknown, isUnknown) &&
  isMapOf(value.settings, isText) &&
  typeof value.isReinserted === "boolean"

const isRefusedPin = (value: unknown): boolean =>
  isObject(value) && isText(value.mark) && isText(value.reason) && typeof value.at === "number"

const isUnknown = (value: unknown): boolean =>
  isObject(value) && isCount(value.count) && isText(value.detail) && isMoment(value.since)

const isMoment = (value: unknown): boolean =>
  isObject(value) && isText(value.bootId) && typeof value.bootMs === "number"

interface FirstVersion {
  readonly token: string
  readonly refused: ReadonlyArray<unknown>
  readonly isReinserted: boolean
}

const isFirstVersion = (value: unknown): value is FirstVersion =>
  isObject(value) &&
  value.version === undefined &&
  isText(value.token) &&
  isText(value.salt) &&
  Array.isArray(value.refused) &&
  typeof value.tries === "number" &&
  typeof value.isReinserted === "boolean"

const isProof = (value: unknown): value is Proof =>
  isObject(value) &&
  value.version === recordVersion &&
  isText(value.keyId) &&
  isText(value.mark) &&
  isMapOf(value.settings, isText)
