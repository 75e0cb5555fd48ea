/**
 * Parses the command line of a service without Effect's CLI, which would stay in memory (0.7 MiB) and is a tenth of the start.
 *
 * A correct line is used as `readWords` reads it. Every other line is passed to Effect's CLI, which is loaded to reject it.
 */
import { Effect, Redacted } from "effect"
import type { CommandWords } from "./command-words.ts"
import type { Parse, Parsed } from "./effect-cli.ts"

export const parseServiceLine: Parse = (program, words) => {
  if (isCorrect(words)) return Effect.succeed(asRead(words))
  const refusal = Effect.promise(async () => (await import("./line-refusal.ts")).refusalOf(program, words))
  return Effect.map(refusal, (refused) => refused ?? asRead(words))
}

/** Known options, each once and with its value, and a command that has neither arguments nor commands. */
const isCorrect = ({ path, options, arguments: args }: CommandWords): boolean => {
  const command = path.at(-1)
  return (
    command !== undefined &&
    [command.commands, command.arguments, command.cloudWord].every((part) => part === undefined) &&
    args.length === 0 &&
    new Set(options.map(({ name }) => name)).size === options.length &&
    options.every(
      ({ option, value }) =>
        option !== undefined &&
        (option.value === undefined) === (value === undefined) &&
        (option.choices === undefined || option.choices.includes(value ?? ""))
    )
  )
}

const asRead = ({ path, options, arguments: args, cloud }: CommandWords): Parsed => ({
  kind: "command",
  path,
  cloud,
  option: (name) => {
    const given = options.find((one) => one.name === name)
    if (given?.option?.value === undefined) return given && switchedOn
    return given.option.secret === undefined ? given.value : Redacted.make(given.value ?? "")
  },
  argument: (name) => args[path.at(-1)?.arguments?.findIndex((argument) => argument.name === name) ?? -1]
})

const switchedOn = "true"
