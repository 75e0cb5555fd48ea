/** A command that was refused: exit code 1, nothing on stdout, one sentence and at most one next step. */
import { expect } from "vitest"
import type { Printed } from "../../support/tedge-in-process.ts"

/** A question that was asked through a pipe stands on the sentence's line. */
export const expectRefusal = ({ code, stdout, stderr }: Printed, sentence: string, hint?: string) => {
  expect([code, stdout], stderr).toEqual([1, ""])
  expect(stderr.match(/(^|: )error: /gm)).toHaveLength(1)
  expect(stderr).toContain(sentence)
  if (hint !== undefined) expect(stderr).toMatch(new RegExp(`^hint: .*${hint.replace(/[()]/g, "\\$&")}`, "m"))
}
