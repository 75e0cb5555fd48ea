/** Renders a report for a terminal: one block per connection and per other service. Pure. */

import { shownText } from "../../../messages/shown-text.ts"
import type { State } from "../../../messages/status/verdict.ts"
import { namedHere } from "../../terminal/terminal.ts"
import { pieces, textWidth } from "../../terminal/text-width.ts"
import { connectionRows } from "./connection-rows.ts"
import { nameOf } from "./plain-lines.ts"
import type { StatusReport } from "./report.ts"
import { bad, doubtful, type Row, row, type Tone } from "./rows.ts"
import { serviceRows } from "./service-rows.ts"

interface ScreenStyle {
  /** Columns. */
  readonly width: number
  readonly hasColour: boolean
}

export const screenStyle = (
  { columns, isTTY }: { readonly columns: number | undefined; readonly isTTY: boolean },
  environment: Readonly<Record<string, string | undefined>>
): ScreenStyle => ({
  width: Math.min(isTTY ? columns || 80 : widest, widest),
  hasColour: isTTY && environment.TERM !== "dumb" && !environment.NO_COLOR
})

/** `height`: lines of the terminal; overflow is summarised in one row, problems come first. Undefined: no limit. */
export const renderScreen = (report: StatusReport, style: ScreenStyle, height?: number): ReadonlyArray<string> => {
  const sparkWidth = style.width - labelWidth
  const inLines = (rows: ReadonlyArray<Row>) => rows.flatMap((one) => lines(one, style))
  const block = (name: string, { state, bad }: Judged, rows: ReadonlyArray<Row>): Block => ({
    name,
    state,
    bad,
    lines: inLines(rows),
    headingLines: inLines(rows.slice(0, 1)).length
  })
  const blocks = [
    ...report.connections.map((one) => block(nameOf(one), one, connectionRows(one, report.at, sparkWidth))),
    ...report.services.map((one) => block(one.name, one, serviceRows(one, report.at)))
  ]
  const { note, hint } = report
  const notes =
    note === undefined ? [] : [inLines([...row("note", note), ...row("next step", hint && namedHere(hint))])]
  const screenOf = (shown: ReadonlyArray<Block>) => joined([...notes, ...shown.map((one) => one.lines)])
  const all = screenOf(blocks)
  if (height === undefined || all.length <= height) return all
  const ordered = blocks.toSorted((one, other) => urgency(one) - urgency(other))
  const withSummary = (count: number): ReadonlyArray<ReadonlyArray<string>> => [
    screenOf(ordered.slice(0, count)),
    inLines(summary(ordered.slice(count)))
  ]
  for (let count = ordered.length - 1; count > 0; count -= 1) {
    const fitting = joined(withSummary(count))
    if (fitting.length <= height) return fitting
  }
  const [worst] = ordered
  if (worst === undefined) return all.slice(0, height)
  const [, rest = []] = withSummary(1)
  const headings = worst.lines.slice(0, worst.headingLines)
  const more = rest.slice(0, Math.max(0, height - headings.length - 1))
  const shown = [...headings, ...notes.flat(), ...worst.lines.slice(headings.length)]
  return [...shown.slice(0, Math.max(headings.length, height - more.length - 1)), "…", ...more].slice(0, height)
}

interface Judged {
  readonly state: State
  readonly bad: boolean
}

interface Block extends Judged {
  readonly name: string
  readonly lines: ReadonlyArray<string>
  readonly headingLines: number
}

const joined = (parts: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<string> =>
  parts.flatMap((part, index) => (index === 0 ? part : ["", ...part]))

const urgency = ({ state, bad }: Judged): number => (bad ? 0 : state === "unknown" ? 1 : 2)

const summary = (blocks: ReadonlyArray<Block>): ReadonlyArray<Row> =>
  row(
    `${blocks.length} more`,
    ...blocks.map(({ name, state, bad: isBad }) => {
      if (isBad) return bad(`${name} ${state === "up" ? "UP WITH FAULTS" : state.toUpperCase()}`)
      return state === "up" ? `${name} up` : doubtful(`${name} ${state}`)
    })
  )

/** A row without label is a heading. Parts are separated by commas, and wrapped only if they do not fit. */
const lines = ({ label, parts }: Row, { width, hasColour }: ScreenStyle): ReadonlyArray<string> => {
  const isNarrow = width < narrow
  const indent = label === undefined ? 0 : isNarrow ? 1 : labelWidth
  const room = Math.max(1, width - indent)
  const paint = (tone: Tone, text: string) =>
    hasColour && tone !== "plain" ? `\u001b[${tones[tone]}m${text}\u001b[0m` : text
  const made: Array<{ text: string; length: number }> = []
  const words = parts.flatMap(({ text, tone }, index) => {
    const isLast = index === parts.length - 1
    return `${shownText(text)}${isLast || label === undefined ? "" : ","}`
      .split(" ")
      .flatMap((word) => cut(word, room))
      .map((word) => ({ word, tone }))
  })
  for (const { word, tone } of words) {
    const length = textWidth(word)
    const line = made.at(-1)
    if (line !== undefined && line.length + 1 + length <= room) {
      line.text += ` ${paint(tone, word)}`
      line.length += 1 + length
    } else made.push({ text: paint(tone, word), length })
  }
  if (isNarrow && label !== undefined)
    return [...(label === "" ? [] : [paint("label", label.slice(0, width))]), ...made.map(({ text }) => ` ${text}`)]
  const head = label === undefined ? "" : paint("label", `  ${label}`.padEnd(labelWidth))
  return made.map(({ text }, index) => `${index === 0 ? head : " ".repeat(indent)}${text}`)
}

/** Breaks a word longer than the line; omits a character wider than the line. */
const cut = (word: string, most: number): ReadonlyArray<string> => {
  if (textWidth(word) <= most) return [word]
  const made: Array<{ text: string; width: number }> = []
  for (const { text, width } of pieces(word)) {
    const line = made.at(-1)
    if (line !== undefined && line.width + width <= most) {
      line.text += text
      line.width += width
    } else if (width <= most) made.push({ text, width })
  }
  return made.map(({ text }) => text)
}

/** SGR parameters (ECMA-48, 8.3.117). */
const tones = { good: "32", bad: "1;31", doubtful: "33", label: "2", strong: "1" } as const

const labelWidth = 14
const narrow = 30
const widest = 120
