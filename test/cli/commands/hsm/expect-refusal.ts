/** A command that was refused: nothing on stdout, one sentence and at most one next step. */
import { expect } from "vitest"
import type { Printed } from "../../../support/device/tedge-in-process.ts"

/** A question that was asked through a pipe stands on the sentence's line. */
export const expectRefusal = (printed: Printed, sentence: string, hint?: string) => refused(printed, 1, sentence, hint)

/** The same for a command line that means nothing. */
export const expectUsageError = (printed: Printed, sentence: string) => refused(printed, 2, sentence)

const refused = ({ code, stdout, stderr }: Printed, expected: number, sentence: string, hint?: string) => {
  expect([code, stdout], stderr).toEqual([expected, ""])
  expect(stderr.match(/(^|: )error: /gm)).toHaveLength(1)
  expect(stderr).toContain(sentence)
  if (hint !== undefined) expect(stderr).toMatch(new RegExp(`^hint: .*${hint.replace(/[()]/g, "\\$&")}`, "m"))
}
