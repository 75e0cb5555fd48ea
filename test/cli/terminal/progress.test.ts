/** What a person sees of work that takes long, on a terminal and in a pipe; the clock is the test's. */
import { Effect, Fiber } from "effect"
import { describe, expect, it } from "vitest"
import { type Wait, whileWaiting } from "../../../src/cli/terminal/progress.ts"
import { makeTerminal, type TextStream } from "../../../src/cli/terminal/terminal.ts"
import { watchTerminal } from "../../../src/cli/terminal/terminal-loss.ts"
import { textWidth } from "../../../src/cli/terminal/text-width.ts"
import { passTime, withTestClock } from "../../../src/testing/test-clock.ts"

const stream = (isTTY: boolean, columns?: number): TextStream & { readonly text: () => string } => {
  const written: Array<string> = []
  return {
    isTTY,
    ...(columns !== undefined && { columns }),
    write: (text) => written.push(text),
    text: () => written.join("")
  }
}

const screen = (isTTY: boolean, environment = {}, columns?: number) => {
  const stdout = stream(isTTY)
  const stderr = stream(isTTY, columns)
  return { stdout, stderr, terminal: makeTerminal({ stdout, stderr, environment }) }
}

const eraseLine = "\r\u001b[2K"

/** What stood on the last line, drawing by drawing. */
const drawings = (text: string): ReadonlyArray<string> => text.split(eraseLine)

const waited = (wait: Wait, seconds: number, { terminal }: ReturnType<typeof screen>) =>
  withTestClock(
    Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(whileWaiting(terminal, wait, Effect.sleep(seconds * 1000)))
      for (let n = 0; n < seconds; n++) yield* passTime("1 second")
      yield* Fiber.join(fiber)
    })
  )

describe("a wait on a terminal", () => {
  it("shows what it is for and for how long already, and leaves nothing behind", async () => {
    const seen = screen(true)
    await waited({ title: "waiting for the token" }, 65, seen)
    const lines = drawings(seen.stderr.text())
    expect(lines.some((line) => /^\S waiting for the token: 12 s$/.test(line))).toBe(true)
    expect(lines.some((line) => /^\S waiting for the token: 1 min 4 s$/.test(line))).toBe(true)
    expect(lines.at(-1)).toBe("")
    expect(seen.stderr.text()).not.toContain("\n")
    expect(seen.stdout.text()).toBe("")
  })

  it("has a bar where the end is known", async () => {
    const seen = screen(true)
    await waited({ title: "waiting for the cloud", limitMs: 20_000 }, 19, seen)
    const lines = drawings(seen.stderr.text())
    const at = (seconds: number) => lines.find((line) => line.includes(`: ${seconds} s of at most 20 s`))?.slice(2)
    expect(at(5)).toBe("waiting for the cloud: 5 s of at most 20 s [#####---------------]")
    expect(at(18)).toBe("waiting for the cloud: 18 s of at most 20 s [##################--]")
  })

  it.each([8, 20, 29])("stays one line on a terminal of %i columns", async (columns) => {
    const seen = screen(true, {}, columns)
    await waited({ title: "waiting for the cloud", limitMs: 20_000 }, 19, seen)
    const lines = drawings(seen.stderr.text())
    expect(lines.length).toBeGreaterThan(20)
    for (const line of lines) expect(textWidth(line)).toBeLessThan(columns)
  })

  it("leaves no trace of what is over within a second", async () => {
    const seen = screen(true)
    await withTestClock(
      Effect.gen(function* () {
        const fiber = yield* Effect.forkChild(whileWaiting(seen.terminal, { title: "T" }, Effect.sleep(900)))
        yield* passTime("900 millis")
        yield* Fiber.join(fiber)
      })
    )
    expect(seen.stderr.text().replaceAll(eraseLine, "")).toBe("")
  })

  it("stays on one line of a narrow terminal", async () => {
    const seen = screen(true, {}, 40)
    await waited({ title: "waiting for a very long name of something", limitMs: 5_000 }, 4, seen)
    const lines = drawings(seen.stderr.text())
    expect(Math.max(...lines.map((line) => line.length))).toBe(39)
    expect(lines.some((line) => line.endsWith(": 3 s of at most 5 s"))).toBe(true)
  })

  it("lets a line through, and is erased when the work is interrupted", async () => {
    const seen = screen(true)
    await withTestClock(
      Effect.gen(function* () {
        const work = Effect.andThen(Effect.sleep(2000), Effect.andThen(seen.terminal.line("note"), Effect.never))
        const fiber = yield* Effect.forkChild(whileWaiting(seen.terminal, { title: "T" }, work))
        for (let n = 0; n < 4; n++) yield* passTime("1 second")
        yield* Fiber.interrupt(fiber)
        yield* passTime("1 second")
      })
    )
    expect(drawings(seen.stderr.text())).toContain("note\n")
    expect(drawings(seen.stderr.text()).at(-1)).toBe("")
  })

  it("is plain lines on a dumb one", async () => {
    const seen = screen(true, { TERM: "dumb" })
    await waited({ title: "waiting for the token" }, 6, seen)
    expect(seen.stderr.text()).toBe("waiting for the token: 5 s\n")
  })
})

describe("a wait in a pipe", () => {
  it("is a line at times that grow, on stderr", async () => {
    const seen = screen(false)
    await waited({ title: "waiting for the token" }, 100, seen)
    expect(seen.stderr.text().trimEnd().split("\n")).toEqual(
      ["5 s", "10 s", "15 s", "20 s", "25 s", "30 s", "1 min 0 s", "1 min 30 s"].map(
        (time) => `waiting for the token: ${time}`
      )
    )
    expect(seen.stdout.text()).toBe("")
  })

  it("says when it ends at the latest", async () => {
    const seen = screen(false)
    await waited({ title: "waiting for the cloud", limitMs: 600_000 }, 6, seen)
    expect(seen.stderr.text()).toBe("waiting for the cloud: 5 s of at most 10 min 0 s\n")
  })

  it("is silent when it is short", async () => {
    const seen = screen(false)
    await waited({ title: "waiting for the token" }, 4, seen)
    expect(seen.stderr.text()).toBe("")
  })
})

describe("a step", () => {
  const stepped = (seen: ReturnType<typeof screen>, limitMs?: number) =>
    withTestClock(
      Effect.gen(function* () {
        const end = yield* seen.terminal.step("Verifying", limitMs)
        for (let n = 0; n < 12; n++) yield* passTime("1 second")
        yield* end("done")
      })
    )

  it("shows its time while it lasts, and ends as ever", async () => {
    const seen = screen(true, { NO_COLOR: "1" })
    await stepped(seen, 20_000)
    expect(seen.stderr.text()).toMatch(/Verifying\.\.\. \S 10 s of at most 20 s \[##########----------\]/)
    expect(drawings(seen.stderr.text()).at(-1)).toBe("Verifying... ✓\n")
  })

  it("is a line now and then in a pipe", async () => {
    const seen = screen(false)
    await stepped(seen)
    expect(seen.stderr.text()).toBe("Verifying... 5 s\nVerifying... 10 s\nVerifying... ✓\n")
  })

  it("keeps its time out of the log of a command that lost its terminal", async () => {
    const seen = screen(false)
    const loss = watchTerminal()
    let log = ""
    const terminal = loss.lasting(seen.terminal, (text) => {
      log += text
    })
    await Effect.runPromise(loss.begin)
    loss.lost("hangup")
    await stepped({ ...seen, terminal })
    expect(log.split("\n").filter((line) => line.startsWith("Verifying"))).toEqual(["Verifying... ✓"])
  })
})
