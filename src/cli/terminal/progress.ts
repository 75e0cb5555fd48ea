/**
 * Progress of long work: its title, the elapsed time, and a bar if the end is known.
 *
 * On a terminal one line that is redrawn; otherwise a line now and then. All on stderr.
 */
import { Effect, Fiber } from "effect"
import { monotonicNow } from "../../runtime/primitives/monotonic-time.ts"
import { truncateText } from "./text-width.ts"

export interface Wait {
  readonly title: string
  /** Time limit. Undefined: unknown. */
  readonly limitMs?: number | undefined
}

export interface Progress {
  /**
   * A spinner beside the title until the returned function is called with the outcome. Other lines may be written meanwhile.
   * `limitMs`: time limit.
   */
  readonly step: (
    title: string,
    limitMs?: number | undefined
  ) => Effect.Effect<(mark: "done" | "failed") => Effect.Effect<void>>
  /** Shows a wait until the returned function is called; `whileWaiting` does both. */
  readonly waiting: (wait: Wait) => Effect.Effect<Effect.Effect<void>>
}

/** For a token that may require a touch. */
export const touchHint = "waiting for a signature; touch the token if it blinks"

/** Shows the wait while `work` runs. */
export const whileWaiting = <A, E, R>(
  terminal: Pick<Progress, "waiting">,
  wait: Wait,
  work: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.acquireUseRelease(
    terminal.waiting(wait),
    () => work,
    (end) => end
  )

interface Steps extends Progress {
  readonly err: (text: string) => Effect.Effect<void>
}

type Raw = (text: string) => Effect.Effect<void>

/** Prints one line at the end of a step; during it, and in a wait, lines at growing intervals. `quiet`: only the first. */
export const plainSteps = (err: Raw, quiet: boolean): Steps => {
  const report = (line: (elapsedMs: number) => string) =>
    Effect.gen(function* () {
      const startedAt = yield* monotonicNow
      for (;;) {
        const elapsedMs = (yield* monotonicNow) - startedAt
        yield* Effect.sleep(elapsedMs < oftenUntilMs ? oftenMs : seldomMs)
        yield* err(`${line((yield* monotonicNow) - startedAt)}\n`)
      }
    })
  const reporting = (line: (elapsedMs: number) => string): Effect.Effect<Effect.Effect<void>> =>
    quiet ? Effect.succeed(Effect.void) : Effect.map(Effect.forkChild(report(line)), (fiber) => Fiber.interrupt(fiber))
  return {
    err,
    waiting: ({ title, limitMs }) => reporting((ms) => `${title}: ${timeText(ms, limitMs)}`),
    step: (title, limitMs) =>
      Effect.map(
        reporting((ms) => `${title}... ${timeText(ms, limitMs)}`),
        (end) => (mark) => Effect.andThen(end, err(`${title}... ${marks[mark]}\n`))
      )
  }
}

/** The line is redrawn with the next frame, less often during a wait: a serial console is slow. Other output takes its place, and it continues below. */
export const turningSteps = (
  raw: Raw,
  paint: (mark: "done" | "error", text: string) => string,
  columns: () => number
): Steps => {
  let turning = false
  const turn = (
    everyMs: number,
    line: (frame: string, elapsedMs: number) => string
  ): Effect.Effect<Effect.Effect<void>> =>
    Effect.gen(function* () {
      turning = true
      const startedAt = yield* monotonicNow
      let frame = 0
      const draw = Effect.flatMap(monotonicNow, (now) =>
        raw(`\r${eraseLine}${line(frames[frame++ % frames.length] ?? "", now - startedAt)}`)
      )
      const fiber = yield* Effect.forkChild(Effect.forever(Effect.andThen(draw, Effect.sleep(everyMs))))
      return Effect.gen(function* () {
        yield* Fiber.interrupt(fiber)
        turning = false
        yield* raw(`\r${eraseLine}`)
      })
    })
  /** The title is truncated, then the rest, so that the line does not wrap. */
  const fitted = (title: string, rest: string): string =>
    truncateText(`${truncateText(title, Math.max(columns() - rest.length - 1, 0))}${rest}`, Math.max(columns() - 1, 0))
  const passed = (ms: number, limitMs: number | undefined): string =>
    ms < shownAfterMs
      ? ""
      : ` ${timeText(ms, limitMs)}${limitMs === undefined || columns() < barFromColumns ? "" : ` ${bar(ms / limitMs)}`}`
  return {
    err: (text) => Effect.suspend(() => raw(turning ? `\r${eraseLine}${text}` : text)),
    // Work that ends within a moment prints nothing.
    waiting: ({ title, limitMs }) =>
      turn(200, (frame, ms) => (ms < shownAfterMs ? "" : fitted(`${frame} ${title}`, `:${passed(ms, limitMs)}`))),
    step: (title, limitMs) =>
      Effect.map(
        turn(50, (frame, ms) => fitted(title, `... ${frame}${passed(ms, limitMs)}`)),
        (end) => (mark) =>
          Effect.andThen(end, raw(`${title}... ${paint(mark === "done" ? "done" : "error", marks[mark])}\n`))
      )
  }
}

const timeText = (elapsedMs: number, limitMs: number | undefined): string =>
  limitMs === undefined ? seconds(elapsedMs) : `${seconds(elapsedMs)} of at most ${seconds(limitMs)}`

const seconds = (ms: number): string => {
  const whole = Math.floor(ms / 1000)
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`
}

const bar = (part: number): string => {
  const full = Math.min(Math.floor(part * barWidth), barWidth)
  return `[${"#".repeat(full)}${"-".repeat(barWidth - full)}]`
}

const marks = { done: "✓", failed: "✗" } as const

const frames = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"]

const eraseLine = "\u001b[2K"

const barWidth = 20
const barFromColumns = 70
const shownAfterMs = 1000
const oftenMs = 5_000
const oftenUntilMs = 30_000
const seldomMs = 30_000
