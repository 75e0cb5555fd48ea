/** CKA_ID as typed by people: pairs of hex digits, with optional spaces and colons between the bytes. */
import { Effect } from "effect"
import { KeyIdInvalid } from "../../../messages/hsm.ts"
import { keyIdProblem } from "../../../messages/token-names.ts"
import type { CommandInput } from "../../command-line/command-spec.ts"

const parseKeyId = (text: string): Effect.Effect<Uint8Array, KeyIdInvalid> => {
  const parts = text.split(/[\s:]+/).filter((part) => part !== "")
  const refuse = (reason: KeyIdInvalid["reason"]) => Effect.fail(new KeyIdInvalid({ text, reason }))
  if (parts.length === 0) return refuse("empty")
  if (parts.some((part) => /[^0-9a-fA-F]/.test(part))) return refuse("notHex")
  if (parts.some((part) => part.length % 2 === 1)) return refuse("halfByte")
  const bytes = Buffer.from(parts.join(""), "hex")
  return keyIdProblem(bytes) === undefined ? Effect.succeed(new Uint8Array(bytes)) : refuse("tooLong")
}

/** `--id`; undefined: not given. */
export const idOption = (input: CommandInput): Effect.Effect<Uint8Array | undefined, KeyIdInvalid> =>
  input.given("id") ? parseKeyId(input.text("id") ?? "") : Effect.succeed(undefined)

/** Lower case hex, without separators. */
export const printKeyId = (id: Uint8Array): string => Buffer.from(id).toString("hex")
