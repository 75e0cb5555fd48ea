/**
 * A screen redrawn in place; the terminal is restored whenever the process exits or is suspended.
 *
 * The alternate screen keeps the previous content. A frame is one write, in a synchronized update if the terminal
 * supports it, so that nothing flickers. The terminal truncates lines that are too wide. Source: xterm, "Alternate Screen
 * Buffer" and DECAWM; ECMA-48, EL and ED.
 */
import { Effect, type Scope } from "effect"
import type { StatusReport } from "./report.ts"

interface ScreenStream {
  readonly write: (text: string) => unknown
  readonly rows?: number
  readonly on: (event: "resize", listener: () => void) => unknown
  readonly off: (event: "resize", listener: () => void) => unknown
}

/** `height`: lines of the terminal. */
type Render = (report: StatusReport, height: number) => ReadonlyArray<string>

/** Until the scope closes. Returns how to show the next report. */
export const openScreen = (
  stream: ScreenStream,
  render: Render
): Effect.Effect<(report: StatusReport) => Effect.Effect<void>, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => new Screen(stream, render)),
    (screen) => Effect.sync(() => screen.close())
  ).pipe(Effect.map((screen) => (report) => Effect.sync(() => screen.show(report))))

class Screen {
  private readonly stream: ScreenStream
  private readonly render: Render
  private report: StatusReport | undefined
  private isOpen = false

  constructor(stream: ScreenStream, render: Render) {
    this.stream = stream
    this.render = render
    this.enter()
    stream.on("resize", this.draw)
    process.on("exit", this.leave)
    process.on("SIGQUIT", this.quit)
    process.on("SIGTSTP", this.suspend)
    process.on("SIGCONT", this.resume)
  }

  show(report: StatusReport): void {
    this.report = report
    this.draw()
  }

  close(): void {
    this.stream.off("resize", this.draw)
    process.off("exit", this.leave)
    process.off("SIGQUIT", this.quit)
    process.off("SIGTSTP", this.suspend)
    process.off("SIGCONT", this.resume)
    this.leave()
  }

  private readonly draw = (): void => {
    if (this.report === undefined || !this.isOpen) return
    const rows = this.stream.rows || 24
    const lines = this.render(this.report, rows)
    const shown = lines.length > rows ? [...lines.slice(0, rows - 1), "…"] : lines
    // Cleared before it is written: after a full line the cursor is on its last character.
    const text = shown.map((line) => `${clearToLineEnd}${line}`).join("\r\n")
    const rest = shown.length < rows ? `\r\n${clearBelow}` : ""
    this.stream.write(`${beginUpdate}${home}${text}${rest}${endUpdate}`)
  }

  private enter(): void {
    this.isOpen = true
    this.stream.write(`${enterScreen}${home}${clearBelow}`)
  }

  private readonly leave = (): void => {
    if (!this.isOpen) return
    this.isOpen = false
    this.stream.write(leaveScreen)
  }

  /** Ctrl-\: without a listener the signal ends the process. */
  private readonly quit = (): void => {
    this.leave()
    process.off("SIGQUIT", this.quit)
    process.kill(process.pid, "SIGQUIT")
  }

  /** Ctrl-Z. */
  private readonly suspend = (): void => {
    this.leave()
    process.kill(process.pid, "SIGSTOP")
  }

  private readonly resume = (): void => {
    if (this.isOpen) return
    this.enter()
    this.draw()
  }
}

/** Alternate screen, cursor hidden, no line wrap; and the reverse. */
const enterScreen = "\u001b[?1049h\u001b[?25l\u001b[?7l"
const leaveScreen = "\u001b[?7h\u001b[?25h\u001b[?1049l"
const home = "\u001b[H"
const clearToLineEnd = "\u001b[K"
const clearBelow = "\u001b[J"
const beginUpdate = "\u001b[?2026h"
const endUpdate = "\u001b[?2026l"
