/**
 * A command whose terminal closes: SIGHUP, or a closed pipe at stdout or stderr.
 *
 * A remote shell may use the connection that `tedge reconnect` interrupts. A command that has started to change the
 * connection therefore continues; its earlier and further output goes to the log.
 */
import { Context, Effect, Exit } from "effect"
import { makeTerminal, type Terminal } from "./terminal.ts"

interface TerminalLoss {
  /** From now on the command continues without its terminal. */
  readonly begin: Effect.Effect<void>
  /** Writes to `screen` while the terminal exists, and keeps a copy for the log. `write`: to the log. */
  readonly lasting: (screen: Terminal, write: (text: string) => void) => Terminal
  /** Outcome of the command, for the log of one that lost its terminal. */
  readonly ended: (command: string, exit: Exit.Exit<number>) => Effect.Effect<void>
}

/** As seen by the process. */
export interface WatchedTerminal extends TerminalLoss {
  /** The terminal closed. False: the command is to end. */
  readonly lost: (why: string) => boolean
}

export const watchTerminal = (): WatchedTerminal => {
  const state = { begun: false, lost: false, said: "", write: (_text: string): void => undefined }
  const record = (text: string): void => {
    if (state.lost) state.write(text)
    else state.said += text
  }
  return {
    begin: Effect.sync(() => {
      state.begun = true
    }),
    lasting: (screen, write) => {
      state.write = write
      const log = makeTerminal({ stdout: { write: record }, stderr: { write: record }, environment: {}, quiet: true })
      return bothTerminals(screen, log, () => state.lost)
    },
    ended: (command, exit) =>
      Effect.sync(() => {
        const how = Exit.isSuccess(exit) ? `exit code ${exit.value}` : "it was interrupted"
        if (state.lost) state.write(`${command} ended: ${how}\n`)
      }),
    lost: (why) => {
      if (!state.begun || state.lost) return state.begun
      state.lost = true
      state.write(`${state.said}terminal lost (${why}); the command continues without it\n`)
      return true
    }
  }
}

/** Of this process. Without it (tests), the terminal never closes. */
export const CurrentTerminalLoss = Context.Reference<TerminalLoss>("tedge/TerminalLoss", {
  defaultValue: () => ({ begin: Effect.void, lasting: (screen) => screen, ended: () => Effect.void })
})

const bothTerminals = (screen: Terminal, log: Terminal, isLost: () => boolean): Terminal => {
  const both =
    <Arguments extends ReadonlyArray<unknown>>(
      say: (terminal: Terminal) => (...words: Arguments) => Effect.Effect<void>
    ) =>
    (...words: Arguments) =>
      Effect.suspend(() => {
        const logged = say(log)(...words)
        return isLost() ? logged : Effect.andThen(logged, say(screen)(...words))
      })
  return {
    answer: both(({ answer }) => answer),
    line: both(({ line }) => line),
    text: both(({ text }) => text),
    warning: both(({ warning }) => warning),
    info: both(({ info }) => info),
    explained: both(({ explained }) => explained),
    failure: both(({ failure }) => failure),
    entry: both(({ entry }) => entry),
    step: (title, limitMs) =>
      Effect.gen(function* () {
        const finishLog = yield* log.step(title)
        const finishScreen = yield* screen.step(title, limitMs)
        return (mark) => Effect.andThen(finishLog(mark), finishScreen(mark))
      }),
    waiting: (wait) => Effect.suspend(() => (isLost() ? Effect.succeed(Effect.void) : screen.waiting(wait)))
  }
}
