import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { smartRestLine } from "../../../src/actors/connect/conversation.ts"

/** Comma separated values, read by RFC 4180's rules. */
const parse = (line: string): ReadonlyArray<string> =>
  [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(
    ([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain ?? ""
  )

describe("a line of SmartREST", () => {
  it.each([
    [["100", "dev", "thin-edge.io"], "100,dev,thin-edge.io"],
    [["100", "a,b", 'say "x"'], '100,"a,b","say ""x"""'],
    [["100", "a\nb", " c"], '100,"a b"," c"']
  ])("%j is %s", (fields, line) => {
    expect(smartRestLine(fields)).toBe(line)
  })

  it("is one line that gives its fields back", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ minLength: 1 }), { minLength: 1 }), (fields) => {
        const line = smartRestLine(fields)
        expect(line).not.toMatch(/[\r\n]/)
        expect(parse(line)).toEqual(fields.map((field) => field.replaceAll(/[\r\n]+/g, " ")))
      })
    )
  })
})
