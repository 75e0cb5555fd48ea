/** `tedge hsm clear-pin-latch`: confirms that the configured PIN is correct. */
import { Effect } from "effect"
import { shownUri } from "../../../messages/pkcs11-uri.ts"
import { exitCodes } from "../../command-line/exit-codes.ts"
import { askLimits, chosenToken, readTokenSettings, selectorFor, type TokenCommand } from "./token-command.ts"

export const clearPinLatch: TokenCommand = (context) =>
  Effect.gen(function* () {
    const { settings } = yield* readTokenSettings(context)
    const uri = yield* chosenToken(context)
    const wasLatched = yield* context.actors.cryptoki.ask(
      "ClearPinLatch",
      { token: selectorFor(uri) },
      { within: askLimits.list }
    )
    yield* context.terminal.line(
      wasLatched
        ? `PINs of token '${shownUri(uri)}' may be tried again.`
        : `No refused PIN of token '${shownUri(uri)}' is remembered here; nothing was changed.`
    )
    if (!wasLatched && settings.cryptoki.mode === "socket")
      yield* context.terminal.line(
        "    if tedge-p11-server runs in another container or with another run.path: run the command there"
      )
    return exitCodes.ok
  })
