/** A program as it is called in an installation: its name, and the commands that its texts name. */
import { type Installation, withCommandNames } from "../../messages/installation/installation.ts"
import type { CommandSpec, Program } from "../command-line/command-spec.ts"

export const installedProgram = (program: Program, installation: Installation): Program => {
  const name = program.root.name === "tedge-mapper" ? installation.bridgeCommand : installation.command
  const root = installation.kind === "everything-ours" ? program.root : withNames(program.root, installation)
  return { ...program, root: { ...root, name }, installation }
}

const withNames = (command: CommandSpec, installation: Installation): CommandSpec => {
  const said = (text: string) => withCommandNames(installation, text)
  const { details, examples, commands, options } = command
  return {
    ...command,
    summary: said(command.summary),
    ...(details && { details: details.map(said) }),
    ...(options && {
      options: options.map((one) => ({ ...one, ...(one.details && { details: one.details.map(said) }) }))
    }),
    ...(examples && { examples: examples.map((one) => ({ ...one, command: said(one.command) })) }),
    ...(commands && { commands: commands.map((one) => withNames(one, installation)) })
  }
}
