/** `tedge hsm list-keys`. */
import { Effect } from "effect"
import type { KeyDescription } from "../../../messages/cryptoki.ts"
import { shownUri } from "../../../messages/pkcs11-uri.ts"
import { shownText } from "../../../messages/shown-text.ts"
import { exitCodes } from "../../command-line/exit-codes.ts"
import { givenPin } from "./ask-pin.ts"
import { findKeys, keyFilter } from "./find-keys.ts"
import { type KeyFacts, keySizes, keyUsers, usersOf } from "./key-facts.ts"
import { printKeyId } from "./key-id.ts"
import { chosenToken, pinFor, readTokenSettings, resolvedToken, type TokenCommand } from "./token-command.ts"

export const listKeys: TokenCommand = (context) =>
  Effect.gen(function* () {
    const { input, terminal } = context
    const given = yield* givenPin(input, "pin", "user PIN")
    const { settings, device } = yield* readTokenSettings(context)
    const pin = pinFor(given, device)
    const filter = yield* keyFilter(input, yield* chosenToken(context))
    const token = yield* resolvedToken(context, settings, filter)
    const found = yield* findKeys(context, token, pin)
    const users = yield* keyUsers(context)
    const sizes = yield* keySizes(context, found, pin)
    const keys = found.map(
      (key): ShownKey => ({ ...key, size: sizes.get(printKeyId(key.id)), users: usersOf(key, found, users) })
    )
    if (input.on("json")) {
      yield* terminal.answer(`${JSON.stringify(keys.map(asJson), null, 2)}\n`)
      return exitCodes.ok
    }
    const filtered = filter.object !== undefined || filter.id !== undefined || filter.type !== undefined
    if (keys.length === 0)
      yield* terminal.line(
        filtered ? "No keys matching the given filters were found on the token." : "No keys were found on the token."
      )
    else yield* terminal.answer(keys.map(block).join("\n"))
    return exitCodes.ok
  })

interface ShownKey extends KeyDescription, KeyFacts {}

const asJson = (key: ShownKey) => ({
  class: key.kind,
  type: key.keyType,
  label: key.label,
  id: printKeyId(key.id),
  uri: shownUri(key.uri),
  ...key.size?.json,
  ...(key.kind === "private" && { used_by: key.users }),
  ...(key.otherUses === undefined ? {} : { other_uses: key.otherUses })
})

const block = (key: ShownKey): string =>
  [
    key.kind === "private" ? "Private key" : "Public key",
    `  Label: ${key.label}`,
    `  Id:    ${printKeyId(key.id)}`,
    `  Type:  ${key.keyType}`,
    ...(key.size === undefined ? [] : [`  Size:  ${key.size.text}`]),
    `  URI:   ${shownUri(key.uri)}`,
    ...(key.users.length === 0 ? [] : [`  Used:  ${key.users.join(", ")}`]),
    // A device's key should only sign: with the PIN it could also be used for this.
    ...(key.otherUses === undefined || key.otherUses.length === 0 ? [] : [`  Also:  ${key.otherUses.join(", ")}`]),
    ""
  ]
    .map(shownText)
    .join("\n")
