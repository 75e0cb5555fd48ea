/**
 * Parses words with Effect's CLI; the only file that imports that library.
 *
 * Builds its commands from ours (command-spec.ts). Prints the first error, in clap's words.
 */
import { Effect, Layer, Option } from "effect"
import * as Argument from "effect/cli/Argument"
import * as CliConfig from "effect/cli/CliConfig"
import type * as CliError from "effect/cli/CliError"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import {
  type CloudWord,
  type CommandSpec,
  type OptionSpec,
  optionsAt,
  ownOptions,
  type Program
} from "./command-spec.ts"
import { type CommandWords, splitCloud } from "./command-words.ts"
import { argumentLabel, optionLabel } from "./help-text.ts"
import {
  invalidValue,
  isListed,
  type UsageError,
  unexpectedArgument,
  unknownCommand,
  unknownOption
} from "./usage-error.ts"

export type Parsed =
  | {
      readonly kind: "command"
      readonly path: ReadonlyArray<CommandSpec>
      readonly cloud: CloudWord["cloud"] | undefined
      /** Undefined: not given. */
      readonly option: (name: string) => unknown
      readonly argument: (name: string) => string | undefined
    }
  /** No error: the words end before a command. */
  | { readonly kind: "refused"; readonly path: ReadonlyArray<CommandSpec>; readonly error: UsageError | undefined }

export type Parse = (program: Program, words: CommandWords) => Effect.Effect<Parsed>

export const parseCommandLine: Parse = (program, words) =>
  Effect.suspend(() => {
    let parsed: Parsed | undefined
    const command = effectCommand(program, (path, values) => {
      parsed = parsedCommand(path, values)
    })
    // The library requires services for prompts and file arguments, which are unused here.
    const parsing = Command.runWith(command, { version: program.version })(words.forEffect) as Effect.Effect<
      void,
      CliError.ShowHelp
    >
    return parsing.pipe(
      Effect.provide(
        Layer.merge(CliConfig.layer({ builtIns: [] }), CliOutput.layerPresenter({ present: () => Effect.void }))
      ),
      Effect.match({
        onFailure: ({ commandPath, errors: [error] }): Parsed => {
          const path = pathOf(program, commandPath.slice(1))
          return { kind: "refused", path, error: error && usageError(program, path, error) }
        },
        onSuccess: () => valueMissing(words) ?? parsed ?? { kind: "refused", path: [program.root], error: undefined }
      })
    )
  })

/** The library takes a later word as the value: in `--profile --debug x` it is `x`. */
const valueMissing = ({ path, options }: CommandWords): Parsed | undefined => {
  const option = options.find((given) => given.option?.value !== undefined && given.value === undefined)?.option
  return option && { kind: "refused", path, error: valueRequired(optionLabel(option)) }
}

interface Values {
  readonly options: Readonly<Record<string, unknown>>
  /** In order. */
  readonly words: ReadonlyArray<unknown>
}

const effectCommand = (
  program: Program,
  done: (path: ReadonlyArray<CommandSpec>, values: Values) => void
): Command.Command<string, never, unknown, unknown, unknown> => {
  const root = Command.make(program.root.name).pipe(Command.withSharedFlags(flagsOf(program.globals)))
  const below = (path: ReadonlyArray<CommandSpec>, spec: CommandSpec): Command.Command.Any => {
    const subs = spec.commands?.map((sub) => below([...path, sub], sub))
    if (subs !== undefined) return Command.withSubcommands(path.length === 1 ? root : Command.make(spec.name), subs)
    const isRoot = path.length === 1
    const options = flagsOf(isRoot ? optionsAt(program, path) : ownOptions(spec))
    return Command.make(spec.name, { options, words: argumentsOf(spec) }, (values) =>
      Effect.map(isRoot ? Effect.succeed({}) : root, (globals) =>
        done(path, { ...values, options: { ...globals, ...values.options } })
      )
    )
  }
  return below([program.root], program.root)
}

const flagsOf = (options: ReadonlyArray<OptionSpec>): Readonly<Record<string, Flag.Flag<unknown>>> =>
  Object.fromEntries(options.map((option) => [option.name, Flag.optional(flagOf(option))]))

const flagOf = (option: OptionSpec): Flag.Flag<unknown> => {
  // A Boolean of the library would take a following `true` or `1` as its value.
  if (option.value === undefined)
    return Flag.Literals(option.name, [switchedOn]).pipe(Flag.withOptionalValue(switchedOn))
  if (option.choices !== undefined) return Flag.Literals(option.name, option.choices)
  return option.secret === undefined ? Flag.String(option.name) : Flag.Redacted(option.name)
}

/** No word of a command line can be this. */
const switchedOn = "\0"

const argumentsOf = (spec: CommandSpec): ReadonlyArray<Argument.Argument<unknown>> => {
  const all = spec.arguments ?? []
  // Any word may be the cloud.
  if (spec.cloudWord !== undefined)
    return [...all.map(({ name }) => name), "CLOUD"].map((name) => Argument.optional(Argument.String(name)))
  return all.map((argument) => {
    const one: Argument.Argument<unknown> =
      argument.choices === undefined
        ? Argument.String(argument.name)
        : Argument.Literals(argument.name, argument.choices)
    return argument.optional === undefined ? one : Argument.optional(one)
  })
}

const parsedCommand = (path: ReadonlyArray<CommandSpec>, { options, words }: Values): Parsed => {
  const spec = path.at(-1)
  const given = words.map(unwrapped).filter((word) => typeof word === "string")
  const split = spec?.cloudWord === undefined ? undefined : splitCloud(spec, given)
  if (split?.unexpected !== undefined) return { kind: "refused", path, error: unexpectedArgument(split.unexpected) }
  const args = split?.arguments ?? given
  return {
    kind: "command",
    path,
    cloud: split?.cloud,
    option: (name) => unwrapped(options[name]),
    argument: (name) => args[spec?.arguments?.findIndex((argument) => argument.name === name) ?? -1]
  }
}

const unwrapped = (value: unknown): unknown => (Option.isOption(value) ? Option.getOrUndefined(value) : value)

const pathOf = (program: Program, names: ReadonlyArray<string>): ReadonlyArray<CommandSpec> => {
  const path = [program.root]
  for (const name of names) path.push(...(path.at(-1)?.commands?.filter((sub) => sub.name === name) ?? []))
  return path
}

const usageError = (
  program: Program,
  path: ReadonlyArray<CommandSpec>,
  error: CliError.NonShowHelpErrors
): UsageError => {
  const command = path.at(-1) ?? program.root
  const options = optionsAt(program, path)
  switch (error._tag) {
    case "UnknownSubcommand":
      return unknownCommand(error.subcommand, command)
    case "UnrecognizedOption":
      return unknownOption(
        error.option,
        options.filter(isListed).map((option) => `--${option.name}`)
      )
    case "MissingArgument": {
      const required = (command.arguments ?? []).filter((argument) => argument.optional === undefined)
      const from = required.findIndex((argument) => argument.name === error.argument)
      return {
        message: "the following required arguments were not provided:",
        lines: required.slice(from).map(argumentLabel)
      }
    }
    case "UnexpectedArgument":
      return unexpectedArgument(error.arguments[0] ?? "")
    case "InvalidValue":
      return wrongValue(command, options, error)
    default:
      return { message: error.message }
  }
}

const valueRequired = (label: string): UsageError => ({
  message: `a value is required for '${label}' but none was supplied`,
  withoutUsage: true
})

const wrongValue = (
  command: CommandSpec,
  options: ReadonlyArray<OptionSpec>,
  { kind, option: name, value, expected }: CliError.InvalidValue
): UsageError => {
  const argument = kind === "argument" ? command.arguments?.find((one) => one.name === name) : undefined
  const option = kind === "flag" ? options.find((one) => one.name === name) : undefined
  const label = argument ? argumentLabel(argument) : option ? optionLabel(option) : name
  if (expected.startsWith("at most")) return { message: `the argument '${label}' cannot be used multiple times` }
  if (option !== undefined && option.value === undefined)
    return { message: `unexpected value '${value}' for '${label}' found; no more were accepted` }
  if (option !== undefined && value === "") return valueRequired(label)
  const choices = argument?.choices ?? option?.choices
  return invalidValue({ label, value, ...(choices === undefined ? {} : { choices }) })
}
