/** `tedge hsm clear-pin-latch`: a person says that the configured PIN is right. */
import { Effect } from "effect"
import { exitCodes } from "../exit-codes.ts"
import { askLimits, chosenToken, readTokenSettings, selectorFor, shownUri, type TokenCommand } from "./token-command.ts"

export const clearPinLatch: TokenCommand = (context) =>
  Effect.gen(function* () {
    yield* readTokenSettings(context)
    const uri = yield* chosenToken(context)
    yield* context.actors.cryptoki.ask(
      "ClearPinLatch",
      { token: selectorFor(uri, undefined) },
      { within: askLimits.list }
    )
    yield* context.terminal.line(`PINs of token '${shownUri(uri)}' may be tried again.`)
    return exitCodes.ok
  })
