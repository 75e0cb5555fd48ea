/** Prints `tedge config list --doc`. Source: hsm-support, which prints three parts of it. */
import type { Setting } from "../../../messages/settings/setting.ts"
import { settingsTable } from "../../../messages/settings/settings-table.ts"

/** Keys right-aligned, texts in a column; blank lines between keys where no terminal prints the keys in bold. */
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
