/** What a user sees, byte for byte. The guide's block is the first authority; device, host and paths are its own. */
import { readFileSync } from "node:fs"
import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { makeTranscript } from "../../../../src/cli/commands/connect/transcript.ts"
import { makeTerminal, type TextStream } from "../../../../src/cli/terminal/terminal.ts"
import { BrokerNotListening, type StepEvent } from "../../../../src/messages/connect.ts"
import { passTime, withTestClock } from "../../../../src/testing/test-clock.ts"

const guide = readFileSync(new URL("../../golden/reconnect-c8y.txt", import.meta.url), "utf8")

/** The guide's block as the events it is made of. */
const guideEvents: ReadonlyArray<StepEvent> = guide
  .trimEnd()
  .split("\n")
  .flatMap((line): ReadonlyArray<StepEvent> => {
    const entry = /^ {8}([^:]+): (.*)$/.exec(line)
    if (entry !== null) return [{ _tag: "SummaryShown", lines: [[entry[1] ?? "", entry[2] ?? ""]] }]
    const title = /^(.*)\.\.\. ✓$/.exec(line)?.[1]
    if (title === undefined) return [{ _tag: "TitleShown", text: line }]
    return [
      { _tag: "StepStarted", title },
      { _tag: "StepDone", title }
    ]
  })

const stream = (isTTY: boolean): TextStream & { readonly text: () => string } => {
  const written: Array<string> = []
  return { isTTY, write: (text) => written.push(text), text: () => written.join("") }
}

const printed = async (events: ReadonlyArray<StepEvent>, isTTY = false, environment: Record<string, string> = {}) => {
  const stdout = stream(isTTY)
  const stderr = stream(isTTY)
  const { show } = makeTranscript(makeTerminal({ stdout, stderr, environment }))
  await withTestClock(
    Effect.forEach(events, (event) => Effect.andThen(show(event), isTTY ? passTime("120 millis") : Effect.void))
  )
  return { stdout: stdout.text(), stderr: stderr.text() }
}

const failure = new BrokerNotListening({ host: "127.0.0.1", port: 1883, afterMs: 20_000, cause: undefined })
const failed: ReadonlyArray<StepEvent> = [
  { _tag: "StepStarted", title: "Waiting" },
  { _tag: "StepFailed", title: "Waiting", failure }
]

describe("the transcript", () => {
  it("is the guide's, to the letter, on stderr", async () => {
    expect(await printed(guideEvents)).toEqual({ stdout: "", stderr: guide })
  })

  it("marks a failed step and gives its sentence below", async () => {
    expect((await printed(failed)).stderr).toMatch(
      /^Waiting\.\.\. ✗\nerror: Timed out after 20 s waiting for mosquitto .*\nhint: .*\n$/
    )
  })

  it("does not print the same failure twice", async () => {
    const stderr = stream(false)
    const { show, end } = makeTranscript(makeTerminal({ stdout: stream(false), stderr, environment: {} }))
    await Effect.runPromise(Effect.andThen(Effect.forEach(failed, show), end(failure)))
    expect(stderr.text().split("error:")).toHaveLength(2)
  })

  it("marks the step that the user did not wait for", async () => {
    const stderr = stream(false)
    const { show, interrupted } = makeTranscript(makeTerminal({ stdout: stream(false), stderr, environment: {} }))
    await Effect.runPromise(Effect.andThen(show({ _tag: "StepStarted", title: "Waiting" }), interrupted))
    await Effect.runPromise(interrupted)
    expect(stderr.text()).toBe("Waiting... ✗\n")
  })

  it("prints notes in the order of their events", async () => {
    const note: StepEvent = { _tag: "Noted", note: { _tag: "CheckAttemptFailed", attempt: 1, of: 5 } }
    const events = [{ _tag: "StepStarted", title: "T" } as const, note, { _tag: "StepDone", title: "T" } as const]
    expect((await printed(events)).stderr).toBe("Connection test failed, attempt 1 of 5\nT... ✓\n")
  })

  it("turns a mark on a terminal and ends on the same line", async () => {
    const { stderr } = await printed(guideEvents, true, { NO_COLOR: "1" })
    expect(stderr).toContain("\r\u001b[2KRestarting mosquitto... ⠋")
    const shown = stderr.split("\n").map((line) => line.split("\r\u001b[2K").at(-1))
    expect(shown.join("\n")).toBe(guide)
  })

  it("lets a line through while the mark turns", async () => {
    const note: StepEvent = { _tag: "Noted", note: { _tag: "TokenWaits", token: "t" } }
    const events = [{ _tag: "StepStarted", title: "T" } as const, note, { _tag: "StepDone", title: "T" } as const]
    const { stderr } = await printed(events, true, { NO_COLOR: "1" })
    const shown = stderr.split("\n").map((line) => line.split("\r\u001b[2K").at(-1))
    expect(shown).toEqual(["info: waiting for the token 't': it may need to be touched", "T... ✓", ""])
  })

  it("uses colour on a terminal only, and not with NO_COLOR or a dumb one", async () => {
    const colour = "\u001b[1;31m"
    expect((await printed(failed, true)).stderr).toContain(colour)
    expect((await printed(failed, false)).stderr).not.toContain("\u001b")
    expect((await printed(failed, true, { NO_COLOR: "1" })).stderr).not.toContain(colour)
    expect((await printed(failed, true, { TERM: "dumb" })).stderr).not.toContain(colour)
  })
})
