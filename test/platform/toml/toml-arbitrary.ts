/** TOML documents with everything in them that could mislead an editor of lines. Many are no TOML: filter by parsing. */
import fc from "fast-check"

const blank = fc.constantFrom("", " ", "  ", "\t")

const comment = fc.constantFrom("", " # kept", " # kept x = 1", " # kept [not.table]", ' # kept "')

const value = fc.constantFrom(
  "1",
  "true",
  '"s"',
  "'lit#'",
  '"#"',
  '"\\"]"',
  "1.5",
  "nan",
  "0xff",
  "9007199254740993",
  "[]",
  "[1, 2]",
  '[ "a", # kept\n "b" ]',
  "{}",
  '{ p = 1, q = "z" }',
  '"""multi\nline"""',
  '"""a""""',
  "'''\nx = 1\n[t]'''",
  "1979-05-27T07:32:00Z",
  "07:32:00"
)

export const linesOfLongestValue = 3

const key = fc.constantFrom(
  "a",
  "b",
  "url",
  "key_path",
  "x-y",
  "1",
  "q.r",
  "q.s",
  '"we ird"',
  "'a.b'",
  "cryptoki.mode",
  "bind.port"
)

const assignment = fc
  .tuple(blank, key, blank, value, comment)
  .map(([indent, name, space, given, behind]) => `${indent}${name}${space}=${space}${given}${behind}`)

const header = fc
  .tuple(
    fc.constantFrom(
      "[device]",
      "[device.cryptoki]",
      "[c8y]",
      "[c8y.profiles.prod]",
      "[ mqtt ]",
      "[mqtt . bind]",
      "[[list]]",
      "[list.below]",
      '["x"]'
    ),
    comment
  )
  .map((parts) => parts.join(""))

const line = fc.oneof(
  { weight: 5, arbitrary: assignment },
  { weight: 2, arbitrary: header },
  { weight: 1, arbitrary: fc.constantFrom("", "# kept", "   # kept indented") }
)

export const tomlDocument = fc
  .tuple(fc.array(line, { maxLength: 14 }), fc.constantFrom("\n", "\r\n"), fc.boolean())
  .map(([written, lineEnd, isClosed]) => written.join(lineEnd) + (isClosed ? lineEnd : ""))
