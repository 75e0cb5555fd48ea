/**
 * Runs the command of a command line: parsed by Effect's CLI (effect-cli.ts; a service's by service-line.ts), executed by its
 * handler.
 *
 * Usage errors go to stderr in clap's format, with exit code 2.
 */
import { Effect, Redacted } from "effect"
import { everythingOurs } from "../../messages/installation/installation.ts"
import { type CommandHandlers, type CommandInput, optionsAt, type Program } from "./command-spec.ts"
import type { CommandWords } from "./command-words.ts"
import type { Parse, Parsed } from "./effect-cli.ts"
import { exitCodes } from "./exit-codes.ts"
import { answerHelpOrVersion } from "./help-and-version.ts"
import { helpText } from "./help-text.ts"
import { usageErrorText } from "./usage-error.ts"

interface CommandLine {
  readonly program: Program
  readonly handlers: CommandHandlers
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly output: {
    readonly out: (text: string) => Effect.Effect<void>
    readonly err: (text: string) => Effect.Effect<void>
  }
  readonly parse: Parse
  /** Wraps every command: log level, deprecation notices. */
  readonly around?: (input: CommandInput, run: Effect.Effect<number>) => Effect.Effect<number>
}

/** Runs the command that the words name; returns the exit code. */
export const runCommandLine = (line: CommandLine, words: CommandWords): Effect.Effect<number> => {
  const { program, output } = line
  const atOnce = answerHelpOrVersion(program, words)
  if (atOnce !== undefined)
    return Effect.as(output[atOnce.stream === "stdout" ? "out" : "err"](atOnce.text), atOnce.code)
  return Effect.flatMap(line.parse(program, words), (parsed) =>
    parsed.kind === "command" ? runCommand(line, parsed) : refuse(line, parsed)
  )
}

const refuse = (
  { program, output }: CommandLine,
  { path, error }: Omit<Extract<Parsed, { kind: "refused" }>, "kind">
): Effect.Effect<number> => {
  const text = error === undefined ? helpText(program, path, false) : usageErrorText(error, program, path)
  return Effect.as(output.err(text), exitCodes.usage)
}

const runCommand = (line: CommandLine, parsed: Extract<Parsed, { kind: "command" }>): Effect.Effect<number> => {
  const { path } = parsed
  const words = path
    .slice(1)
    .map((command) => command.name)
    .join(" ")
  const load = line.handlers[words]
  if (load === undefined) return Effect.die(new Error(`no handler for '${words}'`))
  const isStray = path.at(-1)?.cloudWord !== undefined && parsed.cloud === undefined
  // Ignored, it would let the command work on another key than the one that was meant.
  if (isStray && parsed.option("profile") !== undefined)
    return refuse(line, {
      path,
      error: { message: "the argument '--profile <PROFILE>' needs a cloud beside it: c8y, az or aws" }
    })
  const input = commandInput(line, words, parsed)
  const run = Effect.flatMap(Effect.promise(load), (handler) => handler(input))
  return line.around === undefined ? run : line.around(input, run)
}

const commandInput = (
  { program, environment }: CommandLine,
  command: string,
  { path, cloud, option: given, argument }: Extract<Parsed, { kind: "command" }>
): CommandInput => {
  const options = optionsAt(program, path)
  /** Of the option, else of the environment, else the default; empty counts as not given. */
  const value = (name: string): unknown => {
    const option = options.find((candidate) => candidate.name === name)
    if (option === undefined) throw new Error(`'${command}' has no option '${name}'`)
    const fromEnvironment = option.env === undefined ? undefined : environment[option.env]
    return [given(name), fromEnvironment].find((one) => one !== undefined && one !== "") ?? option.defaultValue
  }
  const text = (name: string): string | undefined => {
    const found = value(name)
    return typeof found === "string" ? found : undefined
  }
  return {
    command,
    installation: program.installation ?? everythingOurs,
    text,
    secret: (name) => {
      // From the command line it is redacted already, from the environment not yet.
      const found = value(name)
      return found === undefined || Redacted.isRedacted(found)
        ? (found as Redacted.Redacted<string> | undefined)
        : Redacted.make(String(found))
    },
    on: (name) => ![undefined, "false", "0"].some((off) => value(name) === off),
    given: (name) => given(name) !== undefined,
    argument,
    cloud: cloud === undefined ? undefined : { cloud, profile: text("profile") }
  }
}
