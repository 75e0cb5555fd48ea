/**
 * Manual pages from the command specs: one per command, named as git names its pages.
 *
 * The cloud words have no page of their own.
 */
import { type CommandSpec, commandsAt, type OptionSpec, optionsAt, type Program } from "./command-spec.ts"
import { argumentLabel, optionLabel, usageLine, withoutStop } from "./help-text.ts"

interface ManPage {
  /** `tedge-config-get.1`. */
  readonly file: string
  /** Source text for man(1). */
  readonly text: string
}

/** Content of a page besides its command. */
interface ManFacts {
  /** 1: commands, 8: services. */
  readonly section: 1 | 8
  /** `2026-11-29`. */
  readonly date: string
  /** Other pages that the first page refers to: `tedge-mapper(8)`. */
  readonly seeAlso: ReadonlyArray<string>
}

export const manPages = (program: Program, facts: ManFacts): ReadonlyArray<ManPage> => {
  const page = (path: ReadonlyArray<CommandSpec>): ReadonlyArray<ManPage> => [
    { file: `${nameOf(path)}.${facts.section}`, text: pageText(program, path, facts) },
    ...pagesBelow(path).flatMap((sub) => page([...path, sub]))
  ]
  return page([program.root])
}

const nameOf = (path: ReadonlyArray<CommandSpec>): string => path.map(({ name }) => name).join("-")

/** Clouds are arguments of a command, not commands with a page. */
const pagesBelow = (path: ReadonlyArray<CommandSpec>): ReadonlyArray<CommandSpec> =>
  (path.at(-1)?.commands ?? []).filter(
    ({ hidden, name }) => hidden === undefined && !["c8y", "az", "aws"].includes(name)
  )

const pageText = (program: Program, path: ReadonlyArray<CommandSpec>, facts: ManFacts): string => {
  const command = path.at(-1) ?? program.root
  const name = nameOf(path)
  const blocks = [
    `.TH ${name.toUpperCase()} ${facts.section} ${facts.date} "tedge-actors ${program.version}"`,
    ".nh\n.ad l", // commands and settings are copied from here
    section("NAME", [`${escaped(name)} \\- ${escaped(withoutStop(command.summary))}`]),
    section("SYNOPSIS", [escaped(usageLine(program, path).replace("Usage: ", ""))]),
    section(
      "DESCRIPTION",
      [command.summary, ...(command.details ?? [])].map((text) => escaped(text))
    ),
    section("COMMANDS", commandItems(path, facts)),
    section("ARGUMENTS", (command.arguments ?? []).map(argumentItem)),
    section("OPTIONS", [
      ...optionsAt(program, path)
        .filter(({ hidden }) => hidden === undefined)
        .map(optionItem),
      item("-h, --help", ["Print help; \\-h is shorter"]),
      ...(path.length === 1 ? [item("-V, --version", ["Print version"])] : [])
    ]),
    section(
      "EXAMPLES",
      (command.examples ?? []).map(({ says, command }) => item(says, [`.B ${escaped(command)}`]))
    ),
    section(
      "SEE ALSO",
      [references(path, facts)].filter((line) => line !== "")
    )
  ]
  return `${blocks.filter((block) => block !== "").join("\n")}\n`
}

const section = (title: string, content: ReadonlyArray<string>): string =>
  content.length === 0 ? "" : [`.SH ${title}`, content.join("\n.PP\n").replaceAll("\n.PP\n.TP", "\n.TP")].join("\n")

const commandItems = (path: ReadonlyArray<CommandSpec>, { section: number }: ManFacts): ReadonlyArray<string> => {
  const command = path.at(-1)
  const pages = pagesBelow(path)
  const words = command === undefined ? [] : commandsAt(command).filter((sub) => !pages.includes(sub) && !sub.hidden)
  return [
    ...pages.map((sub) => `.TP\n.BR ${escaped(nameOf([...path, sub]))} (${number})\n${escaped(sub.summary)}`),
    ...words.map((sub) => item(sub.name, [escaped(sub.summary)]))
  ]
}

const argumentItem = ({ choices, summary, details = [], ...argument }: NonNullable<CommandSpec["arguments"]>[number]) =>
  item(argumentLabel({ ...argument, summary }), [
    ...[summary, ...details].map(escaped),
    ...(choices === undefined ? [] : [escaped(`Possible values: ${choices.join(", ")}`)])
  ])

const optionItem = (option: OptionSpec): string => {
  const long = optionLabel(option)
  const facts = [
    ...(option.env === undefined ? [] : [`Environment: ${option.env}`]),
    ...(option.defaultValue === undefined ? [] : [`Default: ${option.defaultValue}`]),
    ...(option.choices === undefined ? [] : [`Possible values: ${option.choices.join(", ")}`])
  ]
  const texts = option.docNamesDefault === undefined ? [option.summary, ...(option.details ?? []), ...facts] : facts
  return item(option.short === undefined ? long : `-${option.short}, ${long}`, texts.map(escaped))
}

/** A label, with its paragraphs indented below. */
const item = (label: string, paragraphs: ReadonlyArray<string>): string =>
  [`.TP\n.B ${escaped(label)}`, paragraphs.join("\n.sp\n")].join("\n")

const references = (path: ReadonlyArray<CommandSpec>, { section: number, seeAlso }: ManFacts): string => {
  const own = path.length === 1 ? [] : [`${nameOf(path.slice(0, -1))}(${number})`]
  return [...own, ...(path.length === 1 ? seeAlso : [])]
    .map((page) => `.BR ${escaped(page).replace("(", " (")}`)
    .join(" ,\n")
}

/** Escaped for roff: no control character at the start of a line, no typographic dash. */
const escaped = (text: string): string =>
  text
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .split("\n")
    .map((line) => (/^[.']/.test(line) ? `\\&${line}` : line))
    .join("\n")
