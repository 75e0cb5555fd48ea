/** The command lines of the services are read without Effect's CLI, and with its result. */
import { Effect, Redacted } from "effect"
import fc from "fast-check"
import { describe, expect, it, vi } from "vitest"
import { optionsAt, type Program } from "../../../src/cli/command-line/command-spec.ts"
import { readWords } from "../../../src/cli/command-line/command-words.ts"
import { type Parse, parseCommandLine } from "../../../src/cli/command-line/effect-cli.ts"
import { refusalOf } from "../../../src/cli/command-line/line-refusal.ts"
import { parseServiceLine } from "../../../src/cli/command-line/service-line.ts"
import { mapperProgram } from "../../../src/cli/services/mapper/mapper-spec.ts"
import { p11ServerProgram } from "../../../src/cli/services/p11-server/p11-server-spec.ts"

vi.mock("../../../src/cli/command-line/line-refusal.ts", { spy: true })

/** All that a handler can learn of the line. */
const parsed = async (parse: Parse, program: Program, argv: ReadonlyArray<string>) => {
  const one = await Effect.runPromise(parse(program, readWords(program, argv)))
  if (one.kind === "refused") return one
  const { path, cloud } = one
  const options = optionsAt(program, path).map(({ name, value }) => {
    const given = one.option(name)
    if (value === undefined) return [name, given !== undefined]
    return [name, Redacted.isRedacted(given) ? { secret: Redacted.value(given) } : given]
  })
  return { path, cloud, options: Object.fromEntries(options), argument: one.argument("ANY") }
}

const programs = { "tedge-p11-server": p11ServerProgram, "tedge-mapper": mapperProgram }

/** Words of the program, correct or nearly, in any order. */
const lineOf = ({ root, globals }: Program) => {
  const commands = root.commands?.map(({ name }) => name) ?? []
  const options = [root, ...(root.commands ?? [])].flatMap((command) => command.options ?? []).concat(globals)
  const value = fc.oneof(
    fc.constantFrom("", "/x", "-5", "-x", "a=b", "c8y", "info", "--", "pkcs11:a?pin-value=1"),
    fc.string()
  )
  const option = fc
    .tuple(fc.constantFrom(...options), fc.constantFrom("=", " ", "alone"), value)
    .map(([{ name, short }, form, text]) => {
      if (form === "=") return [`--${name}=${text}`]
      return form === " " ? [`--${name}`, text] : [short === undefined ? `--${name}` : `-${short}${text}`]
    })
  const correct = fc
    .tuple(fc.constantFrom(...options), fc.string())
    .map(([{ name, value }, text]) => (value === undefined ? [`--${name}`] : [`--${name}=${text}`]))
  const word = fc
    .constantFrom("c8y", "az", "other", "-", "--", "-x", "--nope", "--no-debug", "-5", "")
    .map((one) => [one])
  const command = fc.constantFrom(...(commands.length === 0 ? [[]] : commands.map((name) => [name])))
  return fc
    .tuple(
      fc.array(fc.oneof(correct, correct, option), { maxLength: 3 }),
      command,
      fc.array(fc.oneof({ weight: 4, arbitrary: correct }, option, word), { maxLength: 3 })
    )
    .map(([before, name, after]) => [...before.flat(), ...name, ...after.flat()])
}

describe.each(Object.entries(programs))("a command line of %s", (_, program) => {
  it("has the values that Effect's CLI finds, which is loaded only to reject one", () =>
    fc.assert(
      fc.asyncProperty(lineOf(program), async (argv) => {
        fc.pre(readWords(program, argv).question === undefined)
        const expected = await parsed(parseCommandLine, program, argv)
        vi.mocked(refusalOf).mockClear()
        const found = await parsed(parseServiceLine, program, argv)
        expect(found).toEqual(expected)
        expect(vi.mocked(refusalOf).mock.calls.length).toBe("kind" in found ? 1 : 0)
      }),
      { numRuns: 500 }
    ))
})
