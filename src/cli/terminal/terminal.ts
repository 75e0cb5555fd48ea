/**
 * How text reaches the user: the only file that writes to stdout and stderr.
 *
 * Answers go to stdout, everything else to stderr. What is written is the same for a terminal and a pipe, apart
 * from colour and the turning mark of a step. Source: thin-edge, progress lines of `tedge connect`.
 */
import { Effect, Fiber } from "effect"
import { type Explanation, explain, type Failure } from "../../messages/explain.ts"
import { shownLines, shownText } from "../../messages/shown-text.ts"
import { runsSystemd, withoutSystemd } from "./without-systemd.ts"

/** A stream of the process, or what a test puts in its place. */
export interface TextStream {
  readonly write: (text: string) => unknown
  readonly isTTY?: boolean
}

export interface Terminal {
  /** What was asked for, to stdout, as it is. */
  readonly answer: (text: string) => Effect.Effect<void>
  /** A line for people, to stderr. */
  readonly line: (text: string) => Effect.Effect<void>
  /** As `line`, without a line end. */
  readonly text: (text: string) => Effect.Effect<void>
  readonly warning: (text: string) => Effect.Effect<void>
  readonly info: (text: string) => Effect.Effect<void>
  /** `error: …` and `hint: …`. */
  readonly explained: (explanation: Explanation) => Effect.Effect<void>
  readonly failure: (failure: Failure) => Effect.Effect<void>
  /** `label: value`, eight columns in, label and value in blue. */
  readonly entry: (label: string, value: string) => Effect.Effect<void>
  /** A mark turns beside the title until the answer is called with how it ended. Lines may be written meanwhile. */
  readonly step: (title: string) => Effect.Effect<(mark: "done" | "failed") => Effect.Effect<void>>
}

export interface TerminalSettings {
  readonly stdout: TextStream
  readonly stderr: TextStream
  readonly environment: Readonly<Record<string, string | undefined>>
  /** The last touch to sentences and hints. Undefined: none. */
  readonly inWords?: ((text: string) => string) | undefined
}

export const makeTerminal = ({ stdout, stderr, environment, inWords = same }: TerminalSettings): Terminal => {
  const colour = stderr.isTTY === true && !environment.NO_COLOR && environment.TERM !== "dumb"
  const paint: Paint = (style, text) => (colour ? `\u001b[${styles[style]}m${text}\u001b[0m` : text)
  const steps = stderr.isTTY === true ? turningSteps(stderr, paint) : plainSteps(stderr)
  const { err } = steps
  const prefixed = (style: Style, prefix: string, text: string) =>
    err(`${paint(style, prefix)} ${inWords(shownLines(text))}\n`)
  const explained = ({ error, hint }: Explanation): Effect.Effect<void> =>
    Effect.andThen(
      prefixed("error", "error:", error),
      hint === undefined ? Effect.void : prefixed("hint", "hint:", hint)
    )
  return {
    answer: (text) => Effect.sync(() => void stdout.write(shownLines(text))),
    line: (text) => err(`${shownLines(text)}\n`),
    text: (text) => err(shownLines(text)),
    warning: (text) => prefixed("warning", "warning:", text),
    info: (text) => prefixed("info", "info:", text),
    explained,
    failure: (failure) => explained(explain(failure)),
    entry: (label, value) => err(`        ${paint("label", `${label}:`)} ${paint("value", shownText(value))}\n`),
    step: (title) => steps.step(shownText(title))
  }
}

type Style = keyof typeof styles

type Paint = (style: Style, text: string) => string

interface Steps extends Pick<Terminal, "step"> {
  readonly err: (text: string) => Effect.Effect<void>
}

/** A line at the end of a step, nothing before. */
const plainSteps = (stderr: TextStream): Steps => {
  const err = (text: string) => Effect.sync(() => void stderr.write(text))
  return { err, step: (title) => Effect.succeed((mark) => err(`${title}... ${marks[mark]}\n`)) }
}

/** On a terminal the line is written again with the next frame every 50 ms. Another line takes its place, and it goes on below. */
const turningSteps = (stderr: TextStream, paint: Paint): Steps => {
  let turning = false
  const raw = (text: string) => Effect.sync(() => void stderr.write(text))
  const turn = (title: string) => {
    let frame = 0
    const draw = Effect.suspend(() => raw(`\r${eraseLine}${title}... ${frames[frame++ % frames.length]}`))
    return Effect.forever(Effect.andThen(draw, Effect.sleep(50)))
  }
  const step: Terminal["step"] = (title) =>
    Effect.gen(function* () {
      turning = true
      const fiber = yield* Effect.forkChild(turn(title))
      return (mark) =>
        Effect.gen(function* () {
          yield* Fiber.interrupt(fiber)
          turning = false
          yield* raw(`\r${eraseLine}${title}... ${paint(mark === "done" ? "done" : "error", marks[mark])}\n`)
        })
    })
  return { step, err: (text) => Effect.suspend(() => raw(turning ? `\r${eraseLine}${text}` : text)) }
}

const same = (text: string): string => text

/** The terminal of this process. */
export const processTerminal = (): Terminal =>
  makeTerminal({
    stdout: process.stdout,
    stderr: process.stderr,
    environment: process.env,
    inWords: runsSystemd() ? undefined : withoutSystemd
  })

const marks = { done: "✓", failed: "✗" } as const

const frames = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"]

const eraseLine = "\u001b[2K"

/** SGR parameters (ECMA-48, 8.3.117). */
const styles = {
  error: "1;31",
  warning: "1;33",
  info: "32",
  hint: "36",
  done: "1;32",
  label: "1;34",
  value: "34"
} as const
