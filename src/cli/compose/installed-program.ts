/** A program as named in an installation: its name, and the commands in its texts. */
import { type Installation, withCommandNames } from "../../messages/installation/installation.ts"
import type { CommandSpec, Program } from "../command-line/command-spec.ts"

export const installedProgram = (program: Program, installation: Installation): Program => {
  if (installation.kind === "everything-ours") return { ...program, installation }
  const name = program.root.name === "tedge-mapper" ? installation.bridgeCommand : installation.command
  const said = (text: string) => withCommandNames(installation, text)
  const summary = program.root.summary.replace(program.root.name, name)
  return { ...program, root: { ...withTexts(program.root, said), name, summary }, installation }
}

type Say = (text: string) => string

const withTexts = (command: CommandSpec, said: Say): CommandSpec => {
  const { arguments: words, examples, commands, options } = command
  return {
    ...describedIn(command, said),
    ...(options && { options: options.map((option) => describedIn(option, said)) }),
    ...(words && { arguments: words.map((word) => describedIn(word, said)) }),
    ...(examples && { examples: examples.map((one) => ({ ...one, command: said(one.command) })) }),
    ...(commands && { commands: commands.map((one) => withTexts(one, said)) })
  }
}

const describedIn = <A extends { readonly summary: string; readonly details?: ReadonlyArray<string> }>(
  one: A,
  said: Say
): A => ({ ...one, summary: said(one.summary), ...(one.details && { details: one.details.map(said) }) })
