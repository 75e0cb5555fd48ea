/** The keys selected by a URI, a label and an id (CKA_ID). */
import { Effect } from "effect"
import type { PinGiven } from "../../../messages/cryptoki.ts"
import { KeyIdInvalid, SelectorGivenTwice } from "../../../messages/hsm.ts"
import type { Pkcs11Uri } from "../../../messages/pkcs11-uri.ts"
import { matchesObject } from "../../../messages/pkcs11-uri-match.ts"
import { keyIdProblem } from "../../../messages/token-names.ts"
import type { CommandInput } from "../../command-line/command-spec.ts"
import { isOnToken, otherTokenSelected } from "./other-token.ts"
import { askLimits, type CommandContext, selectorFor } from "./token-command.ts"

/** The URI combined with label and id of the options; an attribute given twice is refused. */
export const keyFilter = (input: CommandInput, token: Pkcs11Uri) =>
  Effect.gen(function* () {
    const label = input.text("label")
    const id = yield* idOption(input)
    if (label !== undefined && token.object !== undefined) return yield* new SelectorGivenTwice({ what: "label" })
    if (id !== undefined && token.id !== undefined) return yield* new SelectorGivenTwice({ what: "id" })
    return {
      ...token,
      ...(label !== undefined && { object: label }),
      ...(id !== undefined && { id })
    }
  })

/** All matching keys on the token, in the token's order; fails if a signing service lists those of another token. */
export const findKeys = (context: CommandContext, filter: Pkcs11Uri, pin: PinGiven) =>
  Effect.gen(function* () {
    // Label and id are sent too: the signing service cannot list all keys of a token with many.
    const { type: _type, ...wanted } = filter
    const token = selectorFor(wanted, pin)
    const keys = yield* context.actors.cryptoki.ask("ListKeys", { token }, { within: askLimits.list })
    const other = keys.find((key) => !isOnToken(key.uri, wanted))
    if (other !== undefined) return yield* otherTokenSelected(wanted, other.uri)
    return keys.filter((key) => matchesObject(filter, key))
  })

/** `--id`, as typed by people: pairs of hex digits, with optional spaces and colons between the bytes. Undefined: not given. */
export const idOption = (input: CommandInput): Effect.Effect<Uint8Array | undefined, KeyIdInvalid> => {
  if (!input.given("id")) return Effect.succeed(undefined)
  const text = input.text("id") ?? ""
  const parts = text.split(/[\s:]+/).filter((part) => part !== "")
  const refuse = (reason: KeyIdInvalid["reason"]) => Effect.fail(new KeyIdInvalid({ text, reason }))
  if (parts.length === 0) return refuse("empty")
  if (parts.some((part) => /[^0-9a-fA-F]/.test(part))) return refuse("notHex")
  if (parts.some((part) => part.length % 2 === 1)) return refuse("halfByte")
  const bytes = Buffer.from(parts.join(""), "hex")
  return keyIdProblem(bytes) === undefined ? Effect.succeed(new Uint8Array(bytes)) : refuse("tooLong")
}

/** Lower case hex, without separators. */
export const printKeyId = (id: Uint8Array): string => Buffer.from(id).toString("hex")
