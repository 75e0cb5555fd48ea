/**
 * A usage error in clap's format: message, tip, usage line.
 *
 * These sentences are not in messages/explain: they concern words of a command line, not a failure.
 */
import { similarNames } from "../../messages/settings/similar-names.ts"
import { type CommandSpec, commandsAt, type Program } from "./command-spec.ts"
import { usageLine } from "./help-text.ts"

export interface UsageError {
  readonly message: string
  /** `[possible values: …]` and the like, under the message. */
  readonly lines?: ReadonlyArray<string>
  readonly tips?: ReadonlyArray<string>
  /** An invalid value is reported without the usage line. */
  readonly withoutUsage?: true
}

export const usageErrorText = (error: UsageError, program: Program, path: ReadonlyArray<CommandSpec>): string => {
  const head = [`error: ${error.message}`, ...(error.lines ?? []).map((line) => `  ${line}`)].join("\n")
  const tips = (error.tips ?? []).map((tip) => `  tip: ${tip}`).join("\n")
  const usage = error.withoutUsage === undefined ? usageLine(program, path) : ""
  return `${[head, tips, usage, "For more information, try '--help'."].filter((part) => part !== "").join("\n\n")}\n`
}

/** A word where a command was expected. */
export const unknownCommand = (word: string, parent: CommandSpec): UsageError => ({
  message: `unrecognized subcommand '${word}'`,
  ...similar(
    word,
    [
      ...commandsAt(parent)
        .filter(isListed)
        .map(({ name }) => name),
      "help"
    ],
    "subcommand"
  )
})

export const isListed = ({ hidden }: { readonly hidden?: true }): boolean => hidden === undefined

export const unknownOption = (option: string, known: ReadonlyArray<string>): UsageError => {
  const near = similar(option, known, "argument")
  return {
    message: `unexpected argument '${option}' found`,
    ...(near.tips === undefined ? { tips: [`to pass '${option}' as a value, use '-- ${option}'`] } : near)
  }
}

export const unexpectedArgument = (word: string): UsageError => ({ message: `unexpected argument '${word}' found` })

/** `label` as help prints it: `--type <TYPE>`, `<CLOUD>`. */
export const invalidValue = (options: {
  readonly label: string
  readonly value: string
  readonly choices?: ReadonlyArray<string>
  readonly reason?: string
}): UsageError => ({
  message: `invalid value '${options.value}' for '${options.label}'${options.reason === undefined ? "" : `: ${options.reason}`}`,
  withoutUsage: true,
  ...(options.choices === undefined
    ? {}
    : {
        lines: [`[possible values: ${options.choices.join(", ")}]`],
        ...similar(options.value, options.choices, "value")
      })
})

/** Clap's tip: known words with an edit distance of at most 2. */
const similar = (
  word: string,
  known: ReadonlyArray<string>,
  what: "subcommand" | "argument" | "value"
): { readonly tips?: ReadonlyArray<string> } => {
  const near = similarNames(word, known, ({ length }) => Math.min(2, length - 1)).map((name) => `'${name}'`)
  if (near.length === 0) return {}
  return {
    tips: [
      near.length === 1 ? `a similar ${what} exists: ${near[0]}` : `some similar ${what}s exist: ${near.join(", ")}`
    ]
  }
}
