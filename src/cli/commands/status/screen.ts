/** A report as a screen for people: a block for each connection, one for each other service. Pure. */
import { shownText } from "../../../messages/shown-text.ts"
import { pieces, textWidth } from "../../terminal/text-width.ts"
import { connectionRows } from "./connection-rows.ts"
import type { StatusReport } from "./report.ts"
import { type Row, row, type Tone } from "./rows.ts"
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

export const renderScreen = (report: StatusReport, style: ScreenStyle): ReadonlyArray<string> => {
  const sparkWidth = style.width - labelWidth
  const blocks = [
    ...report.connections.map((connection) => connectionRows(connection, report.at, sparkWidth)),
    ...report.services.map((service) => serviceRows(service, report.at))
  ]
  const { note, hint } = report
  const notes = note === undefined ? [] : [[...row("note", note), ...row("next step", hint)]]
  return [...notes, ...blocks].flatMap((rows, index) => [
    ...(index === 0 ? [] : [""]),
    ...rows.flatMap((one) => lines(one, style))
  ])
}

/** A row without label is a heading. Parts are kept whole where they fit, and separated by commas. */
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

/** A word that is longer than the line is broken; a letter that is wider than it is left out. */
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
