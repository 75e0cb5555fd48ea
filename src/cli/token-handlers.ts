/** The commands of `tedge hsm` and `tedge cert` as the command line calls them. */
import type { CommandHandler } from "./command-spec.ts"
import { startTokenActors } from "./compose.ts"
import { makePrompts } from "./prompts.ts"
import { processTerminal } from "./terminal.ts"
import { runTokenCommand, type TokenCommandWords } from "./token-commands.ts"

/** At the terminal of this process. */
export const tokenHandler =
  (words: TokenCommandWords): CommandHandler =>
  (input) => {
    const terminal = processTerminal()
    const prompts = makePrompts(process.stdin, terminal.text)
    return runTokenCommand(words, startTokenActors(input), { input, terminal, prompts })
  }
