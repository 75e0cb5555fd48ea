/** Questions to a person, from a terminal and from a pipe. */
import { PassThrough } from "node:stream"
import { Effect, Redacted } from "effect"
import { describe, expect, it } from "vitest"
import { makePrompts } from "../../../src/cli/terminal/prompts.ts"

const run = Effect.runPromise

/** A terminal that notes whether what is typed would be shown. */
class FakeTerminal extends PassThrough {
  readonly isTTY = true
  readonly rawModes: Array<boolean> = []
  setRawMode(raw: boolean): this {
    this.rawModes.push(raw)
    return this
  }
}

const asking = (input: PassThrough) => {
  const shown: Array<string> = []
  const prompts = makePrompts(input, (text) => Effect.sync(() => void shown.push(text)))
  return { prompts, shown }
}

describe("a question from a pipe", () => {
  it("reads one line for each question, and detects end of input", async () => {
    const input = new PassThrough()
    const { prompts, shown } = asking(input)
    input.end("1234\nalice\ny\n")
    expect(Redacted.value((await run(prompts.secret("PIN: "))) ?? Redacted.make(""))).toBe("1234")
    expect(await run(prompts.text("name: "))).toBe("alice")
    expect(await run(prompts.yes("sure? "))).toBe(true)
    expect(await run(prompts.secret("more: "))).toBeUndefined()
    expect(shown.join("")).toBe("PIN: \nname: \nsure? \nmore: \n")
  })

  it("takes a last line without a line end", async () => {
    const input = new PassThrough()
    const { prompts } = asking(input)
    input.end("1234")
    expect(Redacted.value((await run(prompts.secret("PIN: "))) ?? Redacted.make(""))).toBe("1234")
  })

  it("takes anything but y and yes for a no", async () => {
    const input = new PassThrough()
    const { prompts } = asking(input)
    input.end("\nno\nYES\n")
    expect(await run(prompts.yes("?"))).toBe(false)
    expect(await run(prompts.yes("?"))).toBe(false)
    expect(await run(prompts.yes("?"))).toBe(true)
  })
})

describe("a secret from a terminal", () => {
  it("is read with the echo off, which is on again afterwards", async () => {
    const input = new FakeTerminal()
    const { prompts } = asking(input)
    const answer = run(prompts.secret("PIN: "))
    input.write("12")
    input.write("34\r")
    expect(Redacted.value((await answer) ?? Redacted.make(""))).toBe("1234")
    expect(input.rawModes).toEqual([true, false])
  })

  it("lets the person take back characters", async () => {
    const input = new FakeTerminal()
    const { prompts } = asking(input)
    const answer = run(prompts.secret("PIN: "))
    input.write("199\u007f\u007f234\r")
    expect(Redacted.value((await answer) ?? Redacted.make(""))).toBe("1234")
  })

  it("turns the echo on again when the command is interrupted", async () => {
    const input = new FakeTerminal()
    const { prompts } = asking(input)
    await run(Effect.timeoutOption(prompts.secret("PIN: "), 0))
    expect(input.rawModes).toEqual([true, false])
  })
})
