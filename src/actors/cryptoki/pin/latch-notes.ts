/**
 * The stored knowledge about a token's PINs: the record of refusals, and the PIN that succeeded last.
 *
 * PINs are stored as HMAC-SHA-256 with the key of the store, of token and PIN. Version 1 had salted hashes, which
 * allow guessing a PIN of few digits: of its records only the
 * number of refused PINs is used. A record of a later version is not changed.
 */
import { createHash, createHmac } from "node:crypto"
import { Effect, Redacted } from "effect"
import type { CryptokiEvent } from "../../../messages/cryptoki.ts"
import type { PinRejected } from "../../../messages/token-refusals.ts"
import { bootMomentNow } from "../../../platform/process/boot-time.ts"
import { emptyRecord, type LatchRecord, type PinTry, recordVersion, withKey, withPausesAnew } from "./latch-record.ts"
import type { LatchStore } from "./latch-store.ts"
import { type LatchedToken, rejected } from "./latched-token.ts"

export interface LatchNotes {
  readonly mark: (token: LatchedToken, pin: Redacted.Redacted<string>) => Effect.Effect<string>
  /** An invalid record may hide two refusals, so it forbids attempts. */
  readonly read: (token: LatchedToken) => Effect.Effect<LatchRecord | undefined, PinRejected>
  readonly empty: (token: LatchedToken) => Effect.Effect<LatchRecord>
  readonly save: (token: LatchedToken, record: LatchRecord | undefined) => Effect.Effect<void>
  /** As `save`, for changes that are only logged if they cannot be stored. */
  readonly saveOutcome: (token: LatchedToken, record: LatchRecord) => Effect.Effect<void>
  readonly proof: (token: LatchedToken) => Effect.Effect<Proof | undefined>
  /** The PIN succeeded, with the current settings. */
  readonly prove: (token: LatchedToken, mark: string, settings: PinTry) => Effect.Effect<void>
  /** Clears everything; `newPin`: the token's new PIN. */
  readonly clear: (token: LatchedToken, newPin: Redacted.Redacted<string> | undefined) => Effect.Effect<void>
}

export const latchNotes = (store: LatchStore, publish: (event: CryptokiEvent) => Effect.Effect<void>): LatchNotes => {
  let isNotKeptTold = false
  const keyId = Effect.map(store.key, keyIdOf)
  const write = (token: LatchedToken, record: LatchRecord) =>
    store.write(token.identity, "record", JSON.stringify(record))

  const mark: LatchNotes["mark"] = ({ identity }, pin) =>
    // On another token the same PIN has another mark.
    Effect.map(store.key, (key) =>
      createHmac("sha256", key)
        .update(`${identity}\0${Redacted.value(pin)}`)
        .digest("hex")
    )
  const proof: LatchNotes["proof"] = (token) =>
    Effect.gen(function* () {
      const found = parseProof((yield* store.read(token.identity, "proof")) ?? "")
      return found && found.keyId === (yield* keyId) ? found : undefined
    })
  /** One of a later version stays as it is. */
  const saveProof = (token: LatchedToken, of: string, settings: Proof["settings"]) =>
    Effect.gen(function* () {
      if (isNewerValue(parseJson((yield* store.read(token.identity, "proof")) ?? ""))) return
      const made: Proof = { version: recordVersion, keyId: yield* keyId, mark: of, settings }
      yield* store.write(token.identity, "proof", JSON.stringify(made))
    })
  return {
    mark,
    proof,
    read: (token) =>
      Effect.gen(function* () {
        const text = yield* store.read(token.identity, "record")
        if (text === undefined) return undefined
        const key = yield* keyId
        const read = parseRecord(text, key)
        if (read.kind !== "record")
          return yield* rejected(token, read.kind === "newer" ? "recordNewer" : "recordUnreadable", {
            detail: store.path(token.identity, "record")
          })
        const record = withPausesAnew(withKey(read.record, key), yield* bootMomentNow)
        if (record !== read.record || read.isOld) yield* write(token, record)
        return record
      }),
    empty: ({ uri }) => Effect.map(keyId, (key) => emptyRecord(uri, key)),
    save: (token, record) =>
      record === undefined
        ? Effect.asVoid(store.remove(token.identity, "record"))
        : Effect.asVoid(write(token, record)),
    saveOutcome: (token, record) =>
      Effect.gen(function* () {
        const code = yield* write(token, record)
        if (code === undefined || isNotKeptTold) return
        isNotKeptTold = true
        yield* publish({ _tag: "LatchNotKept", directory: store.directory, code })
      }),
    prove: (token, of, { program, configured }) =>
      Effect.gen(function* () {
        const before = yield* proof(token)
        if (before?.mark === of && before.settings[program] === configured) return
        yield* saveProof(token, of, { ...(before?.mark === of ? before.settings : {}), [program]: configured })
      }),
    clear: (token, newPin) =>
      Effect.gen(function* () {
        for (const part of ["record", "clients", "proof"] as const) yield* store.remove(token.identity, part)
        if (newPin !== undefined) yield* saveProof(token, yield* mark(token, newPin), {})
      })
  }
}

/** Distinguishes two keys and reveals nothing of either. */
const keyIdOf = (key: Uint8Array): string =>
  createHash("sha256").update("tedge-pin-latch ").update(key).digest("hex").slice(0, 16)

type ReadRecord =
  | { readonly kind: "record"; readonly record: LatchRecord; readonly isOld?: true }
  | { readonly kind: "newer" }
  | { readonly kind: "unreadable" }

/** `keyId`: of the current key, for records without one. */
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
interface Proof {
  readonly version: typeof recordVersion
  readonly keyId: string
  readonly mark: string
  /** The mark of each program's configured PIN when it succeeded. */
  readonly settings: Readonly<Record<string, string>>
}

/** Undefined if invalid, or of another version. */
export const parseProof = (text: string): Proof | undefined => {
  const value = parseJson(text)
  return isProof(value) ? value : undefined
}

const isNewerValue = (value: unknown): boolean =>
  isObject(value) && typeof value.version === "number" && value.version > recordVersion

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const isObject = (value: unknown): value is { readonly [name: string]: unknown } =>
  typeof value === "object" && value !== null
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
