/**
 * Deletes a key, and verifies that it is the key that was shown.
 *
 * A signing service lets the attributes of its own device.cryptoki.uri override those of a request; thin-edge's does so
 * for deletion too. So if the service returns a key for an unused name, nothing is deleted through it; and the deleted
 * key it reports is compared with the one shown.
 */
import { randomBytes } from "node:crypto"
import { Effect, Result } from "effect"
import type { KeyDescription, KeySelector, PinGiven } from "../../../messages/cryptoki.ts"
import { KeyNotDeleted, OtherKeyDeleted, OtherKeySelected } from "../../../messages/hsm.ts"
import type { Pkcs11Uri } from "../../../messages/pkcs11-uri.ts"
import { shownUri } from "../../../messages/pkcs11-uri.ts"
import { findKeys } from "./find-keys.ts"
import { askLimits, type CommandContext, selectorFor } from "./token-command.ts"

/** Before anything is shown or deleted: fails if the service selects another key than this one, or may do so. */
export const refuseOtherKey = (context: CommandContext, key: KeyDescription, pin: PinGiven) =>
  Effect.gen(function* () {
    const { object, id, type: _type, ...token } = key.uri
    const found = (named: Pkcs11Uri) => finds(context, selectorFor({ ...token, ...named }, pin))
    const isLabelOverridden = object !== undefined && (yield* found({ object: unusedName.object() }))
    const isIdOverridden = id !== undefined && (yield* found({ id: unusedName.id() }))
    if (!isLabelOverridden && !isIdOverridden) return
    // With the service's label too, the id still distinguishes this key from others.
    if (!isIdOverridden && id !== undefined && (yield* found({ id }))) return
    // A single key is the one.
    const all = yield* findKeys(context, token, pin)
    if (all.some((other) => !isSameKey(other, key))) return yield* new OtherKeySelected({ uri: shownUri(key.uri) })
  })

/** Returns the deleted objects. */
export const deleteShown = ({ actors }: CommandContext, key: KeyDescription, pin: PinGiven) =>
  Effect.gen(function* () {
    const asked = { key: selectorFor(key.uri, pin) }
    const deleted = yield* actors.cryptoki.ask("DeleteKey", asked, { within: askLimits.list })
    const uri = shownUri(key.uri)
    if (deleted.length === 0) return yield* new KeyNotDeleted({ uri })
    const others = deleted.filter((one) => !isOf(one, key))
    if (others.length > 0) return yield* new OtherKeyDeleted({ uri, deleted: others.map(shownUri) })
    return deleted
  })

/** A URI that matches no key. */
export const unusedName = {
  id: () => new Uint8Array(randomBytes(20)),
  object: () => `no such key ${randomBytes(10).toString("hex")}`
}

/** By its private object, else by its public one. */
const finds = ({ actors: { cryptoki } }: CommandContext, key: KeySelector) =>
  Effect.gen(function* () {
    const within = { within: askLimits.list }
    const chosen = yield* Effect.result(cryptoki.ask("ChooseScheme", { offered: [], key }, within))
    if (Result.isSuccess(chosen)) return true
    return Result.isSuccess(yield* Effect.result(cryptoki.ask("PublicKey", { key }, within)))
  })

const isSameKey = (one: KeyDescription, other: KeyDescription): boolean =>
  Buffer.compare(one.id, other.id) === 0 && (one.id.length > 0 || one.label === other.label)

const isOf = ({ id, object, serial, token }: Pkcs11Uri, key: KeyDescription): boolean =>
  (id === undefined || Buffer.compare(id, key.id) === 0) &&
  (object === undefined || object === key.label) &&
  (serial === undefined || key.uri.serial === undefined || serial === key.uri.serial) &&
  (token === undefined || key.uri.token === undefined || token === key.uri.token)
