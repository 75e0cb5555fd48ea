/**
 * What may stand in place of the last word of a command line, told from the commands as they are written down.
 *
 * Knows nothing of shells, settings or files: what settings and profiles there are comes with `known`.
 */
import { commandsAt, optionsAt } from "../../command-line/argv.ts"
import {
  type ArgumentSpec,
  type CommandSpec,
  cloudCommands,
  type OptionSpec,
  type Program
} from "../../command-line/command-spec.ts"

export interface Candidate {
  readonly word: string
  readonly says: string
}

export interface Completion {
  readonly candidates: ReadonlyArray<Candidate>
  /** Names of files fit as well. */
  readonly files: boolean
}

/** What the command line itself cannot know. */
export interface Known {
  /** Keys that begin so. */
  readonly settings: (typed: string) => ReadonlyArray<Candidate>
  readonly valuesOf: (key: string) => ReadonlyArray<string>
  /** Of one cloud; undefined: of all. */
  readonly profiles: (cloud: string | undefined) => ReadonlyArray<string>
}

/** The words before the last one, understood. */
export interface Line {
  readonly path: ReadonlyArray<CommandSpec>
  readonly arguments: ReadonlyArray<string>
  readonly cloud: string | undefined
  /** Options by name, with their value. */
  readonly options: ReadonlyMap<string, string>
  /** The option whose value comes next. */
  readonly awaiting: OptionSpec | undefined
}

export const completeWords = (program: Program, words: ReadonlyArray<string>, known: Known): Completion => {
  const typed = words.at(-1) ?? ""
  const line = readLine(program, words.slice(0, -1))
  const found = candidatesFor(program, line, typed, known)
  return { ...found, candidates: found.candidates.filter(({ word }) => word.startsWith(typed)) }
}

export const readLine = (program: Program, words: ReadonlyArray<string>): Line => {
  let path: ReadonlyArray<CommandSpec> = [program.root]
  let cloud: string | undefined
  let awaiting: OptionSpec | undefined
  const args: Array<string> = []
  const options = new Map<string, string>()
  for (const word of words) {
    if (awaiting !== undefined) {
      options.set(awaiting.name, word)
      awaiting = undefined
      continue
    }
    if (word.startsWith("-")) {
      const [name, value] = nameAndValue(word)
      const option = allOptions(program, path).find((one) => one.name === name || one.short === name)
      options.set(option?.name ?? name, value ?? "")
      if (value === undefined && option?.value !== undefined) awaiting = option
      continue
    }
    const command = path.at(-1) ?? program.root
    const sub = command.cloudWord || args.length > 0 ? undefined : commandsAt(command).find(({ name }) => name === word)
    if (sub !== undefined) path = [...path, sub]
    else if (command.cloudWord && cloud === undefined && isCloud(word)) cloud = word
    else args.push(word)
  }
  return { path, arguments: args, cloud: cloud ?? args.find(isCloud), options, awaiting }
}

const isCloud = (word: string): boolean => cloudCommands.some(({ name }) => name === word)

/** `--name=value`, `-x`. */
const nameAndValue = (word: string): readonly [name: string, value: string | undefined] => {
  const [, name = "", , value] = /^--?([^=]*)(=(.*))?$/.exec(word) ?? []
  return [name, value]
}

const allOptions = (program: Program, path: ReadonlyArray<CommandSpec>): ReadonlyArray<OptionSpec> =>
  [...optionsAt(program, path), helpOption].filter((option) => option.hidden === undefined)

const helpOption: OptionSpec = { name: "help", short: "h", summary: "Print help" }

const candidatesFor = (program: Program, line: Line, typed: string, known: Known): Completion => {
  if (line.awaiting !== undefined) return valuesOf(line.awaiting, line, known, "")
  if (typed.startsWith("-")) {
    const [name, value] = nameAndValue(typed)
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

const isListed = ({ hidden }: { readonly hidden?: true }): boolean => hidden === undefined

/** Those that have not been given yet. */
const options = (program: Program, { path, options: given }: Line): ReadonlyArray<Candidate> =>
  allOptions(program, path)
    .filter(({ name }) => !given.has(name))
    .map(({ name, summary }) => ({ word: `--${name}`, says: summary }))

const valuesOf = (option: OptionSpec, line: Line, known: Known, prefix: string): Completion => {
  const words =
    option.choices ??
    (option.name === "profile"
      ? known.profiles(line.cloud ?? cloudOfSetting(line))
      : option.name === "log-level"
        ? logLevels
        : [])
  return {
    candidates: words.map((word) => ({ word: `${prefix}${word}`, says: option.summary })),
    files: /(?:^|_)(?:DIR|PATH)$|^OUTFILE/.test(option.value ?? "") && prefix === ""
  }
}

const logLevels = ["error", "warn", "info", "debug", "trace"]

const cloudOfSetting = ({ arguments: [key = ""] }: Line): string | undefined => {
  const [start = ""] = key.split(/[._]/)
  return isCloud(start) ? start : undefined
}

const nothing: Completion = { candidates: [], files: false }

const argumentAt = (command: CommandSpec, line: Line, typed: string, known: Known): Completion => {
  const argument = command.arguments?.[line.arguments.length]
  if (argument === undefined) return nothing
  if (argument.offers === "settings") return { candidates: known.settings(typed), files: false }
  return { candidates: wordsOf(argument, line, known), files: false }
}

const wordsOf = (argument: ArgumentSpec, line: Line, known: Known): ReadonlyArray<Candidate> => {
  const words = argument.choices ?? (argument.offers === "values" ? known.valuesOf(line.arguments[0] ?? "") : [])
  return words.map((word) => ({ word, says: argument.summary }))
}
