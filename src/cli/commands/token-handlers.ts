/** Handlers of the `tedge hsm` and `tedge cert` commands. */
import { leaveNoCore } from "../../platform/process/no-core.ts"
import type { CommandHandler } from "../command-line/command-spec.ts"
import { startTokenActors } from "../compose/compose.ts"
import { makePrompts } from "../terminal/prompts.ts"
import { processTerminal } from "../terminal/terminal.ts"
import { runTokenCommand, type TokenCommandWords } from "./token-commands.ts"

/** At the terminal of this process. */
export const tokenHandler =
  (words: TokenCommandWords): CommandHandler =>
  (input) => {
    // Not for all of `tedge`: `connect` starts other services, which would inherit it.
    leaveNoCore()
    const terminal = processTerminal()
    const prompts = makePrompts(process.stdin, terminal.text)
    return runTokenCommand(words, startTokenActors(input), { input, terminal, prompts })
  }
