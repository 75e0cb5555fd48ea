/** `tedge config list [FILTER] [--all] [--doc]`: PINs and passwords masked. A filter without a matching key is refused. */
import { Effect, Redacted } from "effect"
import { hasPin, maskedPin } from "../../../actors/config/pin-text.ts"
import { type ShownSetting, UnknownSetting } from "../../../messages/config.ts"
import { terminalLine } from "../../../messages/explain/explanation.ts"
import { explain } from "../../../messages/explain.ts"
import type { Setting } from "../../../messages/settings/setting.ts"
import { settingsTable } from "../../../messages/settings/settings-table.ts"
import { similarKeys } from "../../../messages/settings/similar-names.ts"
import { exitCodes } from "../../command-line/exit-codes.ts"
import { askLimit, configCommand, showWarnings } from "./config-command.ts"

export const configList = configCommand(({ config, input, terminal, stdoutIsTerminal }) =>
  Effect.gen(function* () {
    const filter = input.argument("FILTER") ?? ""
    if (input.on("doc")) {
      const text = docText(filter, stdoutIsTerminal)
      if (text === "") return yield* nothingMatches(filter)
      yield* terminal.answer(text)
      return exitCodes.ok
    }
    const listed = yield* config.ask("List", { filter }, askLimit)
    const [first] = listed.leftOut
    if (listed.settings.length === 0) return yield* first ?? nothingMatches(filter)
    yield* showWarnings(terminal, listed)
    for (const failure of listed.leftOut) yield* terminal.warning(`not listed: ${terminalLine(explain(failure))}`)
    yield* terminal.answer(listText(listed.settings, input.on("all")))
    return exitCodes.ok
  })
)

const nothingMatches = (filter: string) => new UnknownSetting({ key: filter, similar: similarKeys(filter), part: true })

/** Lines `key=value`; with `all`, a blank line and the keys without a value. */
const listText = (settings: ReadonlyArray<ShownSetting>, all: boolean): string => {
  const lines = settings.flatMap(({ key, value, secret }) =>
    value === undefined ? [] : [`${key}=${secret ? masked(Redacted.value(value)) : Redacted.value(value)}`]
  )
  const unset = settings.filter(({ value }) => value === undefined).map(({ key }) => `${key}=`)
  return [...lines, ...(all && unset.length > 0 ? ["", ...unset] : [])].map((line) => `${line}\n`).join("")
}

/** In a URI only the PIN is secret. */
const masked = (value: string): string => (hasPin(value) ? maskedPin(value, mask) : mask)

const mask = "******"

/** `--doc`: keys right-aligned, texts in a column; blank lines between keys where no terminal prints the keys in bold. Source: hsm-support. */
export const docText = (filter: string, isTerminal: boolean): string => {
  const settings = settingsTable.filter(({ key }) => key.includes(filter))
  const width = Math.max(...settings.map(({ key }) => key.length))
  const blocks = settings.map((setting) => docLines(setting, width).map((line) => `${line}\n`))
  return blocks.map((block) => block.join("")).join(isTerminal ? "" : "\n")
}

const docLines = ({ key, doc, note, examples = [] }: Setting, width: number): ReadonlyArray<string> => {
  const indent = " ".repeat(width + 2)
  return [
    `${key.padStart(width)}  ${doc}`,
    ...(note === undefined ? [] : [`${indent}Note: ${note}`]),
    ...(examples.length === 0
      ? []
      : [`${indent}${examples.length === 1 ? "Example" : "Examples"}: ${examples.join(", ")}`])
  ]
}
