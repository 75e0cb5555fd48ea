/**
 * The part of parsing that Effect's CLI does not support; the rest is in effect-cli.ts.
 *
 * - Answers without loading Effect, which costs a third of Node's own start: help, version, `config get` and completions.
 *   `readWords` finds the command and the options, and rejects nothing.
 * - Not to stay in memory: a service takes a correct line as `readWords` reads it (service-line.ts).
 * - `-pVALUE`: Effect clusters short options (`-abc`). `readWords` rewrites them as `--name=VALUE`.
 * - The cloud after or between arguments (`create-key TOKEN c8y`): Effect accepts subcommands only before arguments.
 *   `splitCloud` finds it in the arguments.
 *
 * Help and usage errors have clap's format, known to users and scripts of thin-edge: help-text.ts, usage-error.ts.
 */
import {
  type CloudWord,
  type CommandSpec,
  cloudCommands,
  cloudWords,
  commandsAt,
  type OptionSpec,
  optionsAt,
  type Program
} from "./command-spec.ts"

export interface CommandWords {
  readonly path: ReadonlyArray<CommandSpec>
  readonly options: ReadonlyArray<GivenOption>
  /** Arguments after the command, without the cloud word. */
  readonly arguments: ReadonlyArray<string>
  readonly cloud: CloudWord["cloud"] | undefined
  /** The last option, when its value is missing. */
  readonly awaiting: OptionSpec | undefined
  /** Requested by `--help`, `--version` or `help`. */
  readonly question: Question | undefined
  /** The command line in the form that Effect's CLI accepts. */
  readonly forEffect: ReadonlyArray<string>
}

interface GivenOption {
  readonly name: string
  /** Undefined: the command has no such option. */
  readonly option: OptionSpec | undefined
  readonly value: string | undefined
}

type Question =
  | { readonly kind: "version" }
  | { readonly kind: "help"; readonly path: ReadonlyArray<CommandSpec>; readonly long: boolean }
  /** `tedge help WORD` with an unknown word. */
  | { readonly kind: "unknown"; readonly path: ReadonlyArray<CommandSpec>; readonly word: string }

export const readWords = (program: Program, argv: ReadonlyArray<string>): CommandWords => {
  let path: ReadonlyArray<CommandSpec> = [program.root]
  let question: Question | undefined
  let awaiting: OptionSpec | undefined
  const options: Array<GivenOption> = []
  const args: Array<string> = []
  const forEffect: Array<string> = []
  const end = argv.includes("--") ? argv.indexOf("--") : argv.length
  for (let at = 0; at < end; at++) {
    const word = argv[at] ?? ""
    const command = path.at(-1) ?? program.root
    if (isOption(word)) {
      question ??= questionOf(word, path, args)
      const { name, option, value } = readOption(word, optionsAt(program, path))
      const takesNext = option?.value !== undefined && value === undefined
      const following = takesNext && at + 1 < end && !isOption(argv[at + 1] ?? "") ? argv[++at] : undefined
      if (takesNext && at + 1 >= end && following === undefined) awaiting = option
      options.push({ name, option, value: value ?? following })
      forEffect.push(
        option === undefined
          ? word
          : [`--${option.name}`, value ?? following].filter((part) => part !== undefined).join("=")
      )
      continue
    }
    forEffect.push(word)
    const sub = args.length > 0 ? undefined : command.commands?.find(({ name }) => name === word)
    if (sub !== undefined) path = [...path, sub]
    else if (word === "help" && args.length === 0 && commandsAt(command).length > 0)
      question ??= helpFor(path, argv.slice(at + 1, end))
    else {
      args.push(word)
      if (command.commands === undefined) continue
      // No such command: the rest cannot be interpreted.
      forEffect.push(...argv.slice(at + 1, end))
      break
    }
  }
  const command = path.at(-1) ?? program.root
  const { cloud, arguments: others } = command.cloudWord
    ? splitCloud(command, args)
    : { cloud: cloudWords.find((name) => args.includes(name)), arguments: args }
  return {
    path,
    options,
    arguments: [...others, ...argv.slice(end + 1)],
    cloud,
    awaiting,
    question,
    forEffect: [...forEffect, ...argv.slice(end)]
  }
}

/** A word that begins with a dash is an option, never a value: `--label --id 01` is a typing error. */
const isOption = (word: string): boolean => /^-./.test(word) && !/^-(?:\d+\.?\d*|\.\d+)$/.test(word)

/** `--name`, `--name=value`, `-x`, `-x=value`, `-xvalue`. */
const readOption = (word: string, known: ReadonlyArray<OptionSpec>): GivenOption => {
  const [, name = "", value] = /^--([^=]*)(?:=(.*))?$/s.exec(word) ?? []
  if (word.startsWith("--")) return { name, option: known.find((option) => option.name === name), value }
  const option = known.find(({ short }) => short === word[1])
  const attached = word.length > 2 ? word.slice(2).replace(/^=/, "") : undefined
  if (option === undefined || (option.value === undefined && attached !== undefined))
    return { name: word.slice(1), option: undefined, value: undefined }
  return { name: option.name, option, value: attached }
}

const questionOf = (
  word: string,
  path: ReadonlyArray<CommandSpec>,
  args: ReadonlyArray<string>
): Question | undefined => {
  if (word === "--version" || word === "-V") return { kind: "version" }
  if (word !== "--help" && word !== "-h") return undefined
  const cloud = path.at(-1)?.cloudWord && cloudCommands.find(({ name }) => args.includes(name))
  return { kind: "help", path: cloud ? [...path, cloud] : path, long: word === "--help" }
}

/** `tedge help config get`. */
const helpFor = (from: ReadonlyArray<CommandSpec>, words: ReadonlyArray<string>): Question => {
  let path = from
  for (const word of words.filter((one) => !one.startsWith("-"))) {
    const sub = commandsAt(path.at(-1) ?? { name: "", summary: "" }).find(({ name }) => name === word)
    if (sub === undefined) return { kind: "unknown", path, word }
    path = [...path, sub]
  }
  return { kind: "help", path, long: true }
}

/** The arguments of a command with a cloud word. */
export const splitCloud = (
  command: CommandSpec,
  words: ReadonlyArray<string>
): {
  readonly cloud: CloudWord["cloud"] | undefined
  readonly arguments: ReadonlyArray<string>
  /** A second cloud, or one argument too many. */
  readonly unexpected: string | undefined
} => {
  const [cloud, second] = words.flatMap((word) => cloudWords.filter((name) => name === word))
  const args = words.filter((word) => word !== cloud)
  return { cloud, arguments: args, unexpected: second ?? args[command.arguments?.length ?? 0] }
}
