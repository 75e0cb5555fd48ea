/**
 * Parses command lines with effect/cli and calls the handler: the only file that knows that library.
 *
 * The commands come as data (command-spec.ts). The library checks the words against them; what is wrong is
 * told in clap's words on stderr with exit code 2, and help never reaches it (argv.ts answers before).
 */
import { Effect, Layer, Option, Redacted } from "effect"
import * as Argument from "effect/cli/Argument"
import * as CliConfig from "effect/cli/CliConfig"
import type * as CliError from "effect/cli/CliError"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { optionsAt, readArguments } from "./argv.ts"
import type { CommandHandlers, CommandInput, CommandSpec, OptionSpec, Program } from "./command-spec.ts"
import { exitCodes } from "./exit-codes.ts"
import { answerHelpOrVersion } from "./help-and-version.ts"
import { argumentLabel, optionLabel } from "./help-text.ts"
import {
  invalidValue,
  problemError,
  profileWithoutCloud,
  type UsageError,
  unknownOption,
  usageErrorText
} from "./usage-error.ts"

/** Where the text of help and usage errors goes. */
export interface Output {
  readonly out: (text: string) => Effect.Effect<void>
  readonly err: (text: string) => Effect.Effect<void>
}

export interface CommandLine {
  readonly program: Program
  readonly handlers: CommandHandlers
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly output: Output
  /** What every command runs within: log level, deprecation notices. */
  readonly around?: (input: CommandInput, run: Effect.Effect<number>) => Effect.Effect<number>
}

/** Runs the command that the words name; answers the exit code. */
export const runCommandLine = (line: CommandLine, argv: ReadonlyArray<string>): Effect.Effect<number> => {
  const { program, output } = line
  const atOnce = answerHelpOrVersion(program, argv)
  if (atOnce !== undefined)
    return Effect.as(output[atOnce.stream === "stdout" ? "out" : "err"](atOnce.text), atOnce.code)
  const read = readArguments(program, argv)
  if (read._tag === "Misused") return misused(line, read.path, problemError(read.problem))
  return read._tag === "Run" ? parseAndRun(line, read) : Effect.succeed(exitCodes.usage)
}

const misused = (
  { program, output }: CommandLine,
  path: ReadonlyArray<CommandSpec>,
  error: UsageError
): Effect.Effect<number> => Effect.as(output.err(usageErrorText(error, program, path)), exitCodes.usage)

/** Values by their name in the library: `--config-dir`, `<KEY>`. */
type Parsed = Readonly<Record<string, unknown>>

const parseAndRun = (
  line: CommandLine,
  read: Extract<ReturnType<typeof readArguments>, { readonly _tag: "Run" }>
): Effect.Effect<number> =>
  Effect.suspend(() => {
    let parsed: Parsed = {}
    let errors: ReadonlyArray<CliError.NonShowHelpErrors> = []
    const presenter: CliOutput.Presenter = {
      present: (event) =>
        Effect.sync(() => {
          if (event._tag === "InvalidInvocation") errors = event.errors
        })
    }
    const command = leafCommand(line.program, read.path, (values) => {
      parsed = values
    })
    // The library would need services of the system for prompts and file arguments, which we do not use.
    const parsing = Command.runWith(command, { version: line.program.version })(read.words) as Effect.Effect<
      void,
      CliError.CliError
    >
    return parsing.pipe(
      Effect.provide(Layer.merge(CliConfig.layer({ builtIns: [] }), CliOutput.layerPresenter(presenter))),
      Effect.matchEffect({
        onFailure: () => misused(line, read.path, firstError(line.program, read.path, errors)),
        onSuccess: () => callHandler(line, read, parsed)
      })
    )
  })

const callHandler = (
  line: CommandLine,
  read: { readonly path: ReadonlyArray<CommandSpec>; readonly cloud: "c8y" | "az" | "aws" | undefined },
  parsed: Parsed
): Effect.Effect<number> => {
  const words = read.path
    .slice(1)
    .map((command) => command.name)
    .join(" ")
  const load = line.handlers[words]
  if (load === undefined) return Effect.die(new Error(`no handler for '${words}'`))
  const isStray = read.path.at(-1)?.cloudWord !== undefined && read.cloud === undefined
  // Ignored, it would let the command work on another key than the one that was meant.
  if (isStray && parsed["--profile"] !== undefined) return misused(line, read.path, profileWithoutCloud)
  const values = commandInput(line, read.path, words, parsed)
  const cloud = read.cloud === undefined ? undefined : { cloud: read.cloud, profile: values.text("profile") }
  const input = { ...values, cloud }
  const run = Effect.flatMap(Effect.promise(load), (handler) => handler(input))
  return line.around === undefined ? run : line.around(input, run)
}

const commandInput = (
  line: CommandLine,
  path: ReadonlyArray<CommandSpec>,
  command: string,
  parsed: Parsed
): Omit<CommandInput, "cloud"> => {
  const options = optionsAt(line.program, path)
  const value = (name: string): unknown => {
    const option = options.find((candidate) => candidate.name === name)
    if (option === undefined) throw new Error(`'${command}' has no option '${name}'`)
    const given = parsed[`--${name}`]
    const fromEnvironment = option.env === undefined ? undefined : line.environment[option.env]
    if (given !== undefined && given !== "") return given
    return fromEnvironment === undefined || fromEnvironment === "" ? option.defaultValue : fromEnvironment
  }
  return {
    command,
    text: (name) => asText(value(name)),
    secret: (name) => asSecret(value(name)),
    on: (name) => value(name) === true,
    given: (name) => parsed[`--${name}`] !== undefined && parsed[`--${name}`] !== false,
    argument: (name) => asText(parsed[`<${name}>`])
  }
}

const asText = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined)

/** From the command line it is redacted already, from the environment not yet. */
const asSecret = (value: unknown): Redacted.Redacted<string> | undefined =>
  value === undefined ? undefined : Redacted.make(String(Redacted.isRedacted(value) ? Redacted.value(value) : value))

/**
 * The one command that was named, as the library's. It gets no subcommands: argv.ts has followed the words, so
 * options of every command may stand before or after them.
 */
const leafCommand = (program: Program, path: ReadonlyArray<CommandSpec>, done: (parsed: Parsed) => void) => {
  const spec = path.at(-1) ?? program.root
  const parameters = {
    ...Object.fromEntries(optionsAt(program, path).map((option) => [`--${option.name}`, flagOf(option)])),
    ...Object.fromEntries((spec.arguments ?? []).map((argument) => [`<${argument.name}>`, argumentOf(argument)]))
  }
  return Command.make(spec.name, parameters, (values) => Effect.sync(() => done(plain(values))))
}

/** Options that were not given become undefined. */
const plain = (values: Readonly<Record<string, unknown>>): Parsed =>
  Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, Option.isOption(value) ? Option.getOrUndefined(value) : value])
  )

const flagOf = (option: OptionSpec): Flag.Flag<unknown> => {
  if (option.value === undefined) return Flag.Boolean(option.name).pipe(Flag.withoutNegation, Flag.withDefault(false))
  if (option.choices !== undefined) return Flag.optional(Flag.Literals(option.name, option.choices))
  if (option.secret !== undefined) return Flag.optional(Flag.Redacted(option.name))
  return Flag.optional(Flag.String(option.name))
}

const argumentOf = (argument: NonNullable<CommandSpec["arguments"]>[number]): Argument.Argument<unknown> => {
  const one: Argument.Argument<unknown> =
    argument.choices === undefined ? Argument.String(argument.name) : Argument.Literals(argument.name, argument.choices)
  return argument.optional === undefined ? one : Argument.optional(one)
}

/** The library reports all that is wrong; one error at a time is enough to act on. */
const firstError = (
  program: Program,
  path: ReadonlyArray<CommandSpec>,
  errors: ReadonlyArray<CliError.NonShowHelpErrors>
): UsageError => {
  const command = path.at(-1) ?? program.root
  const options = optionsAt(program, path)
  const [error] = errors
  switch (error?._tag) {
    case "UnrecognizedOption":
      return unknownOption(
        error.option,
        options.filter(isListed).map((option) => `--${option.name}`)
      )
    case "MissingArgument": {
      const missing = (command.arguments ?? []).filter((argument) => argument.optional === undefined)
      const from = missing.findIndex((argument) => argument.name === error.argument)
      return {
        message: "the following required arguments were not provided:",
        lines: missing.slice(from).map(argumentLabel)
      }
    }
    case "UnexpectedArgument":
      return { message: `unexpected argument '${error.arguments[0]}' found` }
    case "InvalidValue":
      return wrongValue(command, options, error)
    default:
      return { message: error?.message ?? "invalid command line" }
  }
}

const isListed = (spec: { readonly hidden?: true }): boolean => spec.hidden === undefined

const wrongValue = (
  command: CommandSpec,
  options: ReadonlyArray<OptionSpec>,
  error: CliError.InvalidValue
): UsageError => {
  const argument = command.arguments?.find((candidate) => candidate.name === error.option)
  const option = options.find((candidate) => candidate.name === error.option)
  const label = error.kind === "argument" && argument !== undefined ? argumentLabel(argument) : labelOf(option, error)
  if (error.expected.startsWith("at most")) return { message: `the argument '${label}' cannot be used multiple times` }
  if (error.kind === "flag" && error.value === "")
    return { message: `a value is required for '${label}' but none was supplied`, withoutUsage: true }
  const choices = argument?.choices ?? option?.choices
  return invalidValue({ label, value: error.value, ...(choices === undefined ? {} : { choices }) })
}

const labelOf = (option: OptionSpec | undefined, error: CliError.InvalidValue): string =>
  option === undefined ? error.option : optionLabel(option)
