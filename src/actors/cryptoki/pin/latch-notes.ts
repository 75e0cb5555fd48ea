/**
 * What is known of a token's PINs, as it lies in the store: the record of refusals, and the PIN that succeeded last.
 *
 * PINs are marks there: HMAC-SHA-256 with the key of the store, of token and PIN.
 */
import { createHash, createHmac } from "node:crypto"
import { Effect, Redacted } from "effect"
import type { CryptokiEvent } from "../../../messages/cryptoki.ts"
import type { PinRejected } from "../../../messages/token-refusals.ts"
import { bootMomentNow } from "../../../platform/process/boot-time.ts"
import { isNewer, type Proof, parseProof, parseRecord } from "./latch-format.ts"
import { emptyRecord, type LatchRecord, type PinTry, recordVersion, withKey, withPausesAnew } from "./latch-record.ts"
import type { LatchStore } from "./latch-store.ts"
import { type LatchedToken, rejected } from "./latched-token.ts"

export interface LatchNotes {
  readonly mark: (token: LatchedToken, pin: Redacted.Redacted<string>) => Effect.Effect<string>
  /** A record that cannot be understood may hide two refusals, so it forbids. */
  readonly read: (token: LatchedToken) => Effect.Effect<LatchRecord | undefined, PinRejected>
  readonly empty: (token: LatchedToken) => Effect.Effect<LatchRecord>
  readonly save: (token: LatchedToken, record: LatchRecord | undefined) => Effect.Effect<void>
  /** As `save`, for what is worth a line in the log if it cannot be noted. */
  readonly saveOutcome: (token: LatchedToken, record: LatchRecord) => Effect.Effect<void>
  readonly proof: (token: LatchedToken) => Effect.Effect<Proof | undefined>
  /** The PIN succeeded, with the settings as they are. */
  readonly prove: (token: LatchedToken, mark: string, settings: PinTry) => Effect.Effect<void>
  /** Forgets all; `newPin`: the token has been given it. */
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
      if (isNewer((yield* store.read(token.identity, "proof")) ?? "")) return
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

/** Two keys are told apart by it, and it tells nothing of the key. */
const keyIdOf = (key: Uint8Array): string =>
  createHash("sha256").update("tedge-pin-latch ").update(key).digest("hex").slice(0, 16)
