/**
 * Prints help in the format of clap, which the original uses: users, scripts and the documents know it.
 *
 * `-h` prints one line per option, `--help` every paragraph. Blank lines inside a text keep their ten spaces.
 */
import {
  type ArgumentSpec,
  type CommandSpec,
  commandsAt,
  type OptionSpec,
  optionsAt,
  type Program
} from "./command-spec.ts"

export const helpText = (program: Program, path: ReadonlyArray<CommandSpec>, long: boolean): string => {
  const command = path.at(-1) ?? program.root
  const sections = [
    long ? [command.summary, ...(command.details ?? [])].join("\n\n") : withoutStop(command.summary),
    usageLine(program, path),
    commandList(command),
    parameters(program, path, long),
    examples(command)
  ]
  return `${sections.filter((section) => section !== "").join("\n\n")}\n`
}

/** `Usage: tedge config get [OPTIONS] <KEY>`. */
export const usageLine = (program: Program, path: ReadonlyArray<CommandSpec>): string => {
  const command = path.at(-1) ?? program.root
  const words = path.map((part) => part.name)
  const parts = [...words, "[OPTIONS]", ...(command.arguments ?? []).map(argumentLabel)]
  const after = commandsAt(command).length === 0 ? [] : [command.commands === undefined ? "[COMMAND]" : "<COMMAND>"]
  return `Usage: ${[...parts, ...after].join(" ")}`
}

export const argumentLabel = (argument: ArgumentSpec): string =>
  argument.optional === undefined ? `<${argument.name}>` : `[${argument.name}]`

/** `--label <LABEL>`. */
export const optionLabel = (option: OptionSpec): string =>
  option.value === undefined ? `--${option.name}` : `--${option.name} <${option.value}>`

const commandList = (command: CommandSpec): string => {
  const shown = commandsAt(command).filter((sub) => sub.hidden === undefined)
  if (shown.length === 0) return ""
  const help = { name: "help", summary: "Print this message or the help of the given subcommand(s)" }
  // The cloud words have no text of their own where the documents print them.
  const rows = [...shown.map((sub) => (command.cloudWord === undefined ? sub : { ...sub, summary: "" })), help]
  const width = Math.max(...rows.map((row) => row.name.length))
  return ["Commands:", ...rows.map((row) => `  ${row.name.padEnd(width)}  ${withoutStop(row.summary)}`)].join("\n")
}

/** One argument or option: its column and its text. */
interface Row {
  readonly label: string
  readonly summary: string
  readonly details: ReadonlyArray<string>
  /** `[default: x]` and the like. */
  readonly facts: ReadonlyArray<string>
}

const parameters = (program: Program, path: ReadonlyArray<CommandSpec>, long: boolean): string => {
  const command = path.at(-1) ?? program.root
  const positional = (command.arguments ?? []).map((argument) => ({
    label: argumentLabel(argument),
    summary: argument.summary,
    details: argument.details ?? [],
    facts: argument.choices === undefined ? [] : [`[possible values: ${argument.choices.join(", ")}]`]
  }))
  const options = [...sorted(program, command).map(optionRow), ...standardRows(program, path)]
  const layout = long ? longRows : shortRows([...positional, ...options])
  const blocks = [
    ...(positional.length === 0 ? [] : [`Arguments:\n${layout(positional)}`]),
    `Options:\n${layout(options)}`
  ]
  return blocks.join("\n\n")
}

/** Own and global options, merged in clap's order: by position, then by name. */
const sorted = (program: Program, command: CommandSpec): ReadonlyArray<OptionSpec> =>
  [...(command.options ?? []).entries(), ...program.globals.entries()]
    .filter(([, option]) => option.hidden === undefined)
    .sort(([a, left], [b, right]) => a - b || (sortKey(left) < sortKey(right) ? -1 : 1))
    .map(([, option]) => option)

const sortKey = (option: OptionSpec): string => option.short ?? option.name

/** `--help`, and `--version` where clap has it: at the executable itself. */
const standardRows = (program: Program, path: ReadonlyArray<CommandSpec>): ReadonlyArray<Row> => {
  const texts = [
    path.at(-1) ?? program.root,
    ...((path.at(-1) ?? program.root).arguments ?? []),
    ...optionsAt(program, path)
  ]
  const more = texts.some((text) => text.details !== undefined || ("choices" in text && text.choices !== undefined))
  const help: Row = { label: "-h, --help", summary: "Print help", details: more ? ["more"] : [], facts: [] }
  const version: Row = { label: "-V, --version", summary: "Print version", details: [], facts: [] }
  return path.length === 1 ? [help, version] : [help]
}

const optionRow = (option: OptionSpec): Row => ({
  label: `${option.short === undefined ? "    " : `-${option.short}, `}${optionLabel(option)}`,
  summary: option.summary,
  details: option.details ?? [],
  facts:
    option.docNamesDefault !== undefined
      ? []
      : [
          ...(option.env === undefined ? [] : [`[env: ${option.env}]`]),
          ...(option.defaultValue === undefined ? [] : [`[default: ${option.defaultValue}]`]),
          ...(option.choices === undefined ? [] : [`[possible values: ${option.choices.join(", ")}]`])
        ]
})

const isHelp = (row: Row): boolean => row.label === "-h, --help"

const longRows = (rows: ReadonlyArray<Row>): string =>
  rows
    .map((row) => {
      const paragraphs = isHelp(row)
        ? [row.details.length > 0 ? "Print help (see a summary with '-h')" : row.summary]
        : [row.summary, ...row.details, ...(row.facts.length > 0 ? [row.facts.join("\n")] : [])]
      const lines = paragraphs.join("\n\n").split("\n")
      return [`  ${row.label}`, ...lines.map((line) => `${" ".repeat(10)}${line}`)].join("\n")
    })
    .join("\n\n")

/** clap prints the texts below the labels when the column exceeds 40 % of 100 characters and a text is too long. */
const shortRows = (all: ReadonlyArray<Row>) => {
  const width = Math.max(...all.map((row) => row.label.length))
  const taken = width + 4
  const under = taken > 40 && all.some((row) => shortText(row).length > 100 - taken)
  return (rows: ReadonlyArray<Row>): string =>
    rows
      .map((row) =>
        under
          ? `  ${row.label}\n${" ".repeat(10)}${shortText(row)}`
          : `  ${row.label.padEnd(width)}  ${shortText(row)}`.trimEnd()
      )
      .join("\n")
}

const shortText = (row: Row): string =>
  isHelp(row)
    ? row.details.length > 0
      ? "Print help (see more with '--help')"
      : row.summary
    : [withoutStop(row.summary), ...row.facts].filter((part) => part !== "").join(" ")

/** The first line of a text, without its full stop. */
export const withoutStop = (summary: string): string => summary.replace(/\.$/, "")

const examples = (command: CommandSpec): string =>
  command.examples === undefined
    ? ""
    : ["Examples:", ...command.examples.flatMap((example) => [`  # ${example.says}`, `  ${example.command}`])].join(
        "\n"
      )
