/** Columns of a terminal. Source: Unicode, EastAsianWidth.txt; UTS #51. */
import { expect, it } from "vitest"
import { pieces, textWidth, truncateText } from "../../../src/cli/terminal/text-width.ts"

it.each([
  ["plain", 5],
  ["▁▂█", 3],
  ["tür", 3],
  ["tu\u0308r", 3],
  ["設備", 4],
  ["ﾃﾞﾊﾞｲｽ", 6],
  ["장치", 4],
  ["🔑", 2],
  ["👩‍🔧", 2],
  ["각", 2],
  ["\u1100\u1161\u11a8", 2],
  ["🇩🇪", 2],
  ["❤\ufe0f", 2],
  ["a\u200bb", 2]
])("%s takes %i columns", (text, columns) => {
  expect(textWidth(text)).toBe(columns)
  expect(
    pieces(text)
      .map((piece) => piece.text)
      .join("")
  ).toBe(text)
})

it.each([
  ["設備", 3, "設"],
  ["設備", 4, "設備"],
  ["a設備", 2, "a"],
  ["abc", 2, "ab"],
  ["設", 1, ""]
])("%s in %i columns is cut to '%s'", (text, columns, expected) => {
  expect(truncateText(text, columns)).toBe(expected)
})
