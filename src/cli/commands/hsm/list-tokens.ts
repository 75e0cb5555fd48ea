/** `tedge hsm list-tokens`. */
import { Effect } from "effect"
import type { TokenDescription, UserPinState } from "../../../messages/cryptoki.ts"
import { shownUri } from "../../../messages/pkcs11-uri.ts"
import { shownText } from "../../../messages/shown-text.ts"
import { exitCodes } from "../../command-line/exit-codes.ts"
import { cardsRefused } from "./token-access.ts"
import { askLimits, readTokenSettings, type TokenCommand } from "./token-command.ts"

export const listTokens: TokenCommand = (context) =>
  Effect.gen(function* () {
    const { actors, input, terminal } = context
    yield* readTokenSettings(context, { secrets: "optional" })
    const tokens = yield* actors.cryptoki.ask("ListTokens", undefined, { within: askLimits.list })
    if (input.on("json")) {
      yield* terminal.answer(
        `${JSON.stringify(
          tokens.map((token) => ({ ...token, uri: shownUri(token.uri) })),
          null,
          2
        )}\n`
      )
      return exitCodes.ok
    }
    if (tokens.length === 0) {
      yield* terminal.line("No PKCS #11 tokens were found. Ensure the HSM is connected.")
      const { settings } = yield* actors.config.ask("ReadSettings", { secrets: "optional" }, { within: askLimits.read })
      const refused = yield* cardsRefused(settings)
      if (refused !== undefined) yield* terminal.warning(`${refused.error}; ${refused.hint}`)
    } else yield* terminal.answer(tokens.map(block).join("\n"))
    return exitCodes.ok
  })

/** Only when action is needed: thin-edge's own block, which scripts parse, has no such line. */
const pinWords: Readonly<Record<UserPinState, string | undefined>> = {
  notNeeded: undefined,
  ready: undefined,
  notSet: "not set",
  countLow: "a wrong one was given since the last login",
  finalTry: "one try left",
  locked: "locked"
}

const block = (token: TokenDescription): string => {
  const pin = pinWords[token.userPin ?? "ready"]
  return [
    `Slot ${token.slot}`,
    `  Label:        ${token.initialized ? token.label : "<uninitialized>"}`,
    `  Initialized:  ${token.initialized ? "yes" : "no"}`,
    ...(pin === undefined ? [] : [`  User PIN:     ${pin}`]),
    `  Model:        ${token.model}`,
    `  Manufacturer: ${token.manufacturer}`,
    `  Serial:       ${token.serial}`,
    `  URI:          ${shownUri(token.uri)}`,
    ""
  ]
    .map(shownText)
    .join("\n")
}
