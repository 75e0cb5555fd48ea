/**
 * A command described as data: words, options, texts.
 *
 * Help, completions, parsing, manual pages and docs are generated from it. It imports no library, so help can be printed
 * without starting anything.
 */
import type { Effect, Redacted } from "effect"
import type { Installation } from "../../messages/installation/installation.ts"

export interface OptionSpec {
  /** Without the dashes: `config-dir`. */
  readonly name: string
  /** One letter. */
  readonly short?: string
  /** Placeholder of the value in help: `CONFIG_DIR`. Undefined: a switch. */
  readonly value?: string
  /** One line, the only text shown by `-h`, there without its full stop. */
  readonly summary: string
  /** Further paragraphs, for `--help`. */
  readonly details?: ReadonlyArray<string>
  readonly choices?: ReadonlyArray<string>
  readonly defaultValue?: string
  /** Environment variable that is read when the option is not given; empty counts as unset. */
  readonly env?: string
  /** The summary already contains variable and default, as the documents print it. */
  readonly docNamesDefault?: true
  /** Redacted from the start. */
  readonly secret?: true
  readonly hidden?: true
}

export interface ArgumentSpec {
  /** `KEY`. */
  readonly name: string
  readonly optional?: true
  readonly summary: string
  readonly details?: ReadonlyArray<string>
  readonly choices?: ReadonlyArray<string>
  /** Completion candidates; other words are accepted too. */
  readonly offers?: "settings" | "mapper settings" | "values"
}

export interface CommandSpec {
  readonly name: string
  readonly summary: string
  /** Further paragraphs, for `--help`. */
  readonly details?: ReadonlyArray<string>
  readonly options?: ReadonlyArray<OptionSpec>
  /** A command has arguments or commands, not both. */
  readonly arguments?: ReadonlyArray<ArgumentSpec>
  readonly examples?: ReadonlyArray<{
    readonly command: string
    readonly says: string
  }>
  readonly commands?: ReadonlyArray<CommandSpec>
  /** May end with the cloud it applies to: `tedge cert create … c8y --profile prod`. */
  readonly cloudWord?: true
  readonly hidden?: true
}

/** An executable: its root command and the options all its commands accept. */
export interface Program {
  readonly root: CommandSpec
  readonly globals: ReadonlyArray<OptionSpec>
  readonly version: string
  /** Undefined: everything ours. */
  readonly installation?: Installation
}

/** The cloud word at the end of a command, and its profile. */
export interface CloudWord {
  readonly cloud: "c8y" | "az" | "aws"
  readonly profile: string | undefined
}

/** The parsed command line, validated against the spec. Asking for an unknown name is a bug of ours. */
export interface CommandInput {
  /** The command without the executable: `config get`. */
  readonly command: string
  /** Option, else environment, else default. */
  readonly text: (option: string) => string | undefined
  readonly secret: (option: string) => Redacted.Redacted<string> | undefined
  readonly on: (option: string) => boolean
  /** The option is on the command line; default and environment do not count. */
  readonly given: (option: string) => boolean
  readonly argument: (name: string) => string | undefined
  readonly cloud: CloudWord | undefined
  readonly installation: Installation
}

/** Runs the command and returns the exit code; has printed everything, errors included. */
export type CommandHandler = (input: CommandInput) => Effect.Effect<number>

/** By command: `config get`. Loaded when called, so that help does not load MQTT. */
export type CommandHandlers = Readonly<Record<string, () => Promise<CommandHandler>>>

export const cloudWords = ["c8y", "az", "aws"] as const

export const cloudSummaries = { c8y: "Cumulocity", az: "Azure IoT", aws: "AWS IoT" } as const

export const profileOption: OptionSpec = {
  name: "profile",
  value: "PROFILE",
  summary: "The cloud profile to use.",
  details: ["Profiles allow several connections to the same kind of cloud. Default: the connection without profile."],
  env: "TEDGE_CLOUD_PROFILE"
}

/** The commands that `cloudWord` expands to. */
export const cloudCommands: ReadonlyArray<CommandSpec> = cloudWords.map((name) => ({
  name,
  summary: cloudSummaries[name],
  options: [profileOption]
}))

/** The options accepted at a command. */
export const optionsAt = (program: Program, path: ReadonlyArray<CommandSpec>): ReadonlyArray<OptionSpec> => [
  ...ownOptions(path.at(-1) ?? program.root),
  ...program.globals
]

export const ownOptions = ({ options = [], cloudWord }: CommandSpec): ReadonlyArray<OptionSpec> =>
  cloudWord === undefined ? options : [...options, profileOption]

/** The subcommands of a command. */
export const commandsAt = (command: CommandSpec): ReadonlyArray<CommandSpec> =>
  command.cloudWord === undefined ? (command.commands ?? []) : cloudCommands

/** Accepted by every program. */
export const configDirOption: OptionSpec = {
  name: "config-dir",
  value: "CONFIG_DIR",
  summary: "[env: TEDGE_CONFIG_DIR, default: /etc/tedge]",
  defaultValue: "/etc/tedge",
  env: "TEDGE_CONFIG_DIR",
  docNamesDefault: true
}

const logLevelDetails = [
  "One of error/warn/info/debug/trace. Logs with verbosity lower or equal to the selected level will be printed, i.e. warn prints ERROR and WARN logs and trace prints logs of all levels."
]

/** Accepted by every program. */
export const logLevelOption: OptionSpec = {
  name: "log-level",
  value: "LOG_LEVEL",
  summary: "Configures the logging level.",
  details: logLevelDetails
}

/** Accepted by every command of `tedge` and of the mapper. */
export const globalOptions: ReadonlyArray<OptionSpec> = [
  configDirOption,
  {
    name: "debug",
    summary: "Turn-on the DEBUG log level.",
    details: ["If off only reports ERROR, WARN, and INFO, if on also reports DEBUG"]
  },
  { ...logLevelOption, details: [...logLevelDetails, "Overrides `--debug`"] }
]
