/**
 * Reads the command line once, before the library does: which command is meant, and is it a question for help?
 *
 * It also writes the words in the one form the library cannot misread: a switch as `--debug=true` (the library
 * would take a following `true` or `1` for its value), `-x` as its long name, `-xVALUE` apart.
 */
import {
  type CloudWord,
  type CommandSpec,
  cloudCommands,
  cloudWords,
  type OptionSpec,
  type Program
} from "./command-spec.ts"

export type Read =
  | { readonly _tag: "Help"; readonly path: ReadonlyArray<CommandSpec>; readonly long: boolean }
  | { readonly _tag: "Version" }
  | { readonly _tag: "NoCommand"; readonly path: ReadonlyArray<CommandSpec> }
  | { readonly _tag: "Misused"; readonly path: ReadonlyArray<CommandSpec>; readonly problem: Problem }
  | {
      readonly _tag: "Run"
      readonly path: ReadonlyArray<CommandSpec>
      /** Options and arguments, without the words that name the command. */
      readonly words: ReadonlyArray<string>
      readonly cloud: CloudWord["cloud"] | undefined
    }

/** What only this reading can find out. */
export type Problem =
  | { readonly kind: "switchWithValue"; readonly option: OptionSpec; readonly value: string }
  | { readonly kind: "secondCloud"; readonly word: string }
  | { readonly kind: "unknownCommand"; readonly word: string; readonly known: ReadonlyArray<string> }

export const readArguments = (program: Program, argv: ReadonlyArray<string>): Read => {
  const reader = new Reader(program)
  const end = argv.indexOf("--")
  const words = end === -1 ? argv : argv.slice(0, end)
  for (let at = 0; at < words.length; at++) {
    const done = reader.take(words[at] ?? "", words.slice(at + 1))
    if (done.ends !== undefined) return done.ends
    at += done.used
  }
  return reader.finish(end === -1 ? [] : argv.slice(end))
}

/** The options that may stand at a command. */
export const optionsAt = (program: Program, path: ReadonlyArray<CommandSpec>): ReadonlyArray<OptionSpec> => {
  const command = path.at(-1)
  const cloud = command?.cloudWord === undefined ? [] : (cloudCommands[0]?.options ?? [])
  return [...(command?.options ?? []), ...cloud, ...program.globals]
}

/** The commands that may follow one. */
export const commandsAt = (command: CommandSpec): ReadonlyArray<CommandSpec> =>
  command.cloudWord === undefined ? (command.commands ?? []) : cloudCommands

interface Taken {
  readonly ends?: Read
  /** How many of the following words belong to this one. */
  readonly used: number
}

const next: Taken = { used: 0 }

class Reader {
  private readonly program: Program
  private path: ReadonlyArray<CommandSpec>
  private readonly words: Array<string> = []
  private cloud: CloudWord["cloud"] | undefined = undefined
  private awaitsCommand = true

  constructor(program: Program) {
    this.program = program
    this.path = [program.root]
  }

  take(word: string, following: ReadonlyArray<string>): Taken {
    if (word === "--help" || word === "-h")
      return { ends: { _tag: "Help", path: this.shownPath(), long: word === "--help" }, used: 0 }
    if (word === "--version" || word === "-V") return { ends: { _tag: "Version" }, used: 0 }
    if (word.startsWith("--")) return this.long(word, following)
    if (word.startsWith("-") && word.length > 1 && !isNegativeNumber(word)) return this.short(word, following)
    return this.plain(word, following)
  }

  finish(rest: ReadonlyArray<string>): Read {
    const { path } = this
    const command = path.at(-1) ?? this.program.root
    const needsCommand = command.commands !== undefined && command.arguments === undefined
    if (needsCommand) return { _tag: "NoCommand", path }
    return { _tag: "Run", path, words: [...this.words, ...rest], cloud: this.cloud }
  }

  private long(word: string, following: ReadonlyArray<string>): Taken {
    const equals = word.indexOf("=")
    const name = equals === -1 ? word.slice(2) : word.slice(2, equals)
    const option = optionsAt(this.program, this.path).find((candidate) => candidate.name === name)
    if (option === undefined) {
      this.words.push(word)
      return next
    }
    return this.option(option, equals === -1 ? undefined : word.slice(equals + 1), following)
  }

  private short(word: string, following: ReadonlyArray<string>): Taken {
    const option = optionsAt(this.program, this.path).find((candidate) => candidate.short === word[1])
    if (option === undefined || (option.value === undefined && word.length > 2)) {
      this.words.push(word)
      return next
    }
    const attached = word.slice(2).replace(/^=/, "")
    return this.option(option, word.length > 2 ? attached : undefined, following)
  }

  private option(option: OptionSpec, value: string | undefined, following: ReadonlyArray<string>): Taken {
    if (option.value === undefined) {
      if (value !== undefined) return this.misused({ kind: "switchWithValue", option, value })
      this.words.push(`--${option.name}=true`)
      return next
    }
    const [candidate] = following
    if (value !== undefined) this.words.push(`--${option.name}=${value}`)
    else if (candidate !== undefined && isValue(candidate)) {
      this.words.push(`--${option.name}=${candidate}`)
      return { used: 1 }
    } else this.words.push(`--${option.name}`)
    return next
  }

  private plain(word: string, following: ReadonlyArray<string>): Taken {
    const command = this.path.at(-1) ?? this.program.root
    if (this.awaitsCommand && word === "help" && commandsAt(command).length > 0) return this.helpFor(following)
    const cloud = cloudWords.find((name) => name === word)
    if (command.cloudWord !== undefined && cloud !== undefined) {
      if (this.cloud !== undefined) return this.misused({ kind: "secondCloud", word })
      this.cloud = cloud
      return next
    }
    const sub = this.awaitsCommand ? command.commands?.find((candidate) => candidate.name === word) : undefined
    if (sub !== undefined) {
      this.path = [...this.path, sub]
      return next
    }
    if (command.commands !== undefined && command.arguments === undefined) return this.unknown(word)
    this.awaitsCommand = false
    this.words.push(word)
    return next
  }

  private unknown(word: string): Taken {
    const known = commandsAt(this.path.at(-1) ?? this.program.root).filter((sub) => sub.hidden === undefined)
    return this.misused({ kind: "unknownCommand", word, known: [...known.map((sub) => sub.name), "help"] })
  }

  /** `tedge help config get`. */
  private helpFor(words: ReadonlyArray<string>): Taken {
    let { path } = this
    for (const word of words.filter((candidate) => !candidate.startsWith("-"))) {
      const sub = commandsAt(path.at(-1) ?? this.program.root).find((candidate) => candidate.name === word)
      if (sub === undefined) {
        this.path = path
        return this.unknown(word)
      }
      path = [...path, sub]
    }
    return { ends: { _tag: "Help", path, long: true }, used: 0 }
  }

  private shownPath(): ReadonlyArray<CommandSpec> {
    const cloud = cloudCommands.find((command) => command.name === this.cloud)
    return cloud === undefined ? this.path : [...this.path, cloud]
  }

  private misused(problem: Problem): Taken {
    return { ends: { _tag: "Misused", path: this.path, problem }, used: 0 }
  }
}

const isNegativeNumber = (word: string): boolean => /^-(?:\d+\.?\d*|\.\d+)$/.test(word)

/** A word that begins with a dash is an option, never a value: `--label --id 01` is a slip. */
const isValue = (word: string): boolean => !word.startsWith("-") || word === "-" || isNegativeNumber(word)
