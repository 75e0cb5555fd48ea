/**
 * The candidates for the last word of a command line, from the command specs.
 *
 * Knows no shell, settings or files: existing settings and profiles are passed as `known`.
 */
import {
  type CommandSpec,
  cloudCommands,
  commandsAt,
  type OptionSpec,
  optionsAt,
  type Program
} from "../../command-line/command-spec.ts"
import { type CommandWords, readWords } from "../../command-line/command-words.ts"
import { isListed } from "../../command-line/usage-error.ts"

export interface Candidate {
  readonly word: string
  readonly says: string
}

interface Completion {
  readonly candidates: ReadonlyArray<Candidate>
  /** File names are candidates too. */
  readonly files: boolean
}

/** Candidates that depend on the device. */
export interface Known {
  /** Keys with this prefix. */
  readonly settings: (typed: string) => ReadonlyArray<Candidate>
  /** The same for clouds, with the name of a mapper in place of the cloud: `c8y.prod.url`. */
  readonly mapperSettings: () => ReadonlyArray<Candidate>
  readonly valuesOf: (key: string) => ReadonlyArray<string>
  /** Of one cloud; undefined: of all. */
  readonly profiles: (cloud: string | undefined) => ReadonlyArray<string>
}

export const completeWords = (program: Program, words: ReadonlyArray<string>, known: Known): Completion => {
  const typed = words.at(-1) ?? ""
  const line = readWords(program, words.slice(0, -1))
  const found = candidatesFor(program, line, typed, known)
  return { ...found, candidates: found.candidates.filter(({ word }) => word.startsWith(typed)) }
}

const allOptions = (program: Program, path: ReadonlyArray<CommandSpec>): ReadonlyArray<OptionSpec> =>
  [...optionsAt(program, path), { name: "help", short: "h", summary: "Print help" }].filter(isListed)

const candidatesFor = (program: Program, line: CommandWords, typed: string, known: Known): Completion => {
  if (line.awaiting !== undefined) return valuesOf(line.awaiting, line, known, "")
  if (typed.startsWith("-")) {
    const [, name = "", , value] = /^--?([^=]*)(=(.*))?$/.exec(typed) ?? []
    const option = allOptions(program, line.path).find((one) => one.name === name)
    return value === undefined || option === undefined
      ? { candidates: options(program, line), files: false }
      : valuesOf(option, line, known, `--${name}=`)
  }
  const command = line.path.at(-1) ?? program.root
  const subs = command.cloudWord
    ? line.cloud === undefined
      ? cloudCommands
      : []
    : line.arguments.length > 0
      ? []
      : commandsAt(command).filter(isListed)
  const words = subs.map(({ name, summary }) => ({ word: name, says: summary }))
  const argument = argumentAt(command, line, typed, known)
  const all = [...words, ...argument.candidates]
  return all.length > 0 || argument.files
    ? { candidates: all, files: argument.files }
    : {
        candidates: typed === "" ? options(program, line) : [],
        files: false
      }
}

/** Options that have not been given yet. */
const options = (program: Program, { path, options: given }: CommandWords): ReadonlyArray<Candidate> =>
  allOptions(program, path)
    .filter(({ name }) => !given.some((one) => one.name === name))
    .map(({ name, summary }) => ({ word: `--${name}`, says: summary }))

const valuesOf = (option: OptionSpec, line: CommandWords, known: Known, prefix: string): Completion => {
  const words =
    option.choices ??
    (option.name === "profile"
      ? known.profiles(line.cloud ?? cloudOfSetting(line))
      : option.name === "log-level"
        ? ["error", "warn", "info", "debug", "trace"]
        : [])
  return {
    candidates: words.map((word) => ({ word: `${prefix}${word}`, says: option.summary })),
    files: /(?:^|_)(?:DIR|PATH)$|^OUTFILE/.test(option.value ?? "") && prefix === ""
  }
}

const cloudOfSetting = ({ arguments: [key = ""] }: CommandWords): string | undefined => {
  const [start = ""] = key.split(/[._]/)
  return cloudCommands.some(({ name }) => name === start) ? start : undefined
}

const argumentAt = (command: CommandSpec, line: CommandWords, typed: string, known: Known): Completion => {
  const argument = command.arguments?.[line.arguments.length]
  if (argument === undefined) return { candidates: [], files: false }
  if (argument.offers === "settings") return { candidates: known.settings(typed), files: false }
  if (argument.offers === "mapper settings") return { candidates: known.mapperSettings(), files: false }
  const words = argument.choices ?? (argument.offers === "values" ? known.valuesOf(line.arguments[0] ?? "") : [])
  return { candidates: words.map((word) => ({ word, says: argument.summary })), files: false }
}
