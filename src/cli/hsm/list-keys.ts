/** `tedge hsm list-keys`. */
import { Effect } from "effect"
import type { KeyDescription } from "../../messages/cryptoki.ts"
import { shownText } from "../../messages/shown-text.ts"
import { exitCodes } from "../exit-codes.ts"
import { givenPin } from "./ask-pin.ts"
import { findKeys, keyFilter } from "./find-keys.ts"
import { printKeyId } from "./key-id.ts"
import { chosenToken, readTokenSettings, resolvedToken, shownUri, type TokenCommand } from "./token-command.ts"

export const listKeys: TokenCommand = (context) =>
  Effect.gen(function* () {
    const { input, terminal } = context
    const pin = yield* givenPin(input, "pin", "user PIN")
    const { settings, device } = yield* readTokenSettings(context)
    const filter = yield* keyFilter(input, yield* chosenToken(context))
    const token = yield* resolvedToken(context, settings, filter)
    const keys = yield* findKeys(context, token, pin ?? device.key.pin)
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

const asJson = (key: KeyDescription) => ({
  class: key.kind,
  type: key.keyType,
  label: key.label,
  id: printKeyId(key.id),
  uri: shownUri(key.uri),
  ...(key.otherUses === undefined ? {} : { other_uses: key.otherUses })
})

const block = (key: KeyDescription): string =>
  [
    key.kind === "private" ? "Private key" : "Public key",
    `  Label: ${key.label}`,
    `  Id:    ${printKeyId(key.id)}`,
    `  Type:  ${key.keyType}`,
    `  URI:   ${shownUri(key.uri)}`,
    // A device's key should do nothing but sign: whoever has the PIN could do this with it too.
    ...(key.otherUses === undefined || key.otherUses.length === 0 ? [] : [`  Also:  ${key.otherUses.join(", ")}`]),
    ""
  ]
    .map(shownText)
    .join("\n")
