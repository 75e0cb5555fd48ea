/** `tedge completions bash | zsh | fish`. */
import { Effect } from "effect"
import type { CommandHandler } from "../../command-line/command-spec.ts"
import { exitCodes } from "../../command-line/exit-codes.ts"
import { processTerminal } from "../../terminal/terminal.ts"
import { shellScript } from "./shell-scripts.ts"

export const completions: CommandHandler = (input) => {
  const shell = input.argument("SHELL")
  const script = shellScript(shell === "zsh" || shell === "fish" ? shell : "bash", input.installation.command)
  return Effect.as(processTerminal().answer(script), exitCodes.ok)
}
