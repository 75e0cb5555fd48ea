/** `tedge completions bash | zsh | fish`. */
import { Effect } from "effect"
import { settingsTable } from "../messages/settings/settings-table.ts"
import { completionScript } from "./command-line.ts"
import type { CommandHandler } from "./command-spec.ts"
import { exitCodes } from "./exit-codes.ts"
import { tedgeProgram } from "./tedge-spec.ts"
import { processTerminal } from "./terminal.ts"

export const completions: CommandHandler = (input) => {
  const shell = input.argument("SHELL")
  const settings = settingsTable.map((setting) => setting.key)
  const script = completionScript(tedgeProgram, shell === "zsh" || shell === "fish" ? shell : "bash", { settings })
  return Effect.as(processTerminal().answer(script), exitCodes.ok)
}
