/**
 * Runs one of the executables: command line in, exit code out.
 *
 * SIGINT, SIGTERM and SIGHUP interrupt the command, which then rolls back or completes its work; a second SIGINT
 * or SIGTERM exits immediately. A command that changes the connection survives SIGHUP (terminal-loss.ts).
 */

import { Cause, Effect, Exit, Fiber } from "effect"
import { withCommandNames } from "../../messages/installation/installation.ts"
import { shownLines } from "../../messages/shown-text.ts"
import { notWritten } from "../../platform/files/write-now.ts"
import { BusyChecks, CurrentBusyChecks } from "../../platform/process/busy-checks.ts"
import { codeOf, errorCode } from "../../platform/process/error-code.ts"
import { giveMemoryBackWhenIdle } from "../../platform/process/idle-memory.ts"
import { leaveNoCore } from "../../platform/process/no-core.ts"
import { withRuntimeClock } from "../../runtime/primitives/runtime-clock.ts"
import { runCommandLine } from "../command-line/command-line.ts"
import type { CommandHandlers, CommandInput, Program } from "../command-line/command-spec.ts"
import { readWords } from "../command-line/command-words.ts"
import type { Parse } from "../command-line/effect-cli.ts"
import { exitCodes } from "../command-line/exit-codes.ts"
import { hideSecretArguments } from "../command-line/secret-arguments.ts"
import { invalidValue, usageErrorText } from "../command-line/usage-error.ts"
import { withActorLog } from "../terminal/actor-log.ts"
import {
  adjustableLog,
  chosenLogLevel,
  type LogLevelName,
  loggingLayer,
  logStyle,
  parseLogLevel,
  systemLogLevel
} from "../terminal/logging.ts"
import { processTerminal } from "../terminal/terminal.ts"
import { CurrentTerminalLoss, watchTerminal } from "../terminal/terminal-loss.ts"

interface ProgramOptions {
  readonly parse: Parse
  /** When neither options nor environment say another. */
  readonly logLevel: LogLevelName
  /** A service that drains on a signal and exits with 0. */
  readonly handlesSignals?: true
  /** SIGHUP reloads the log level. */
  readonly rereadsLogLevel?: true
}

export const runProgram = (program: Program, handlers: CommandHandlers, options: ProgramOptions): void => {
  const argv = process.argv.slice(2)
  const words = readWords(program, argv)
  hideSecretArguments(argv, words)
  const busy = new BusyChecks()
  if (options.handlesSignals) {
    leaveNoCore()
    giveMemoryBackWhenIdle({ isBusy: busy.isBusy })
  }
  const terminal = processTerminal()
  const watched = watchTerminal()
  // `tedge config list | head -1` is no error.
  const closed = (error: Error): void => {
    if (!watched.lost(codeOf(error)) && errorCode(error) === "EPIPE") process.exit(exitCodes.ok)
  }
  process.stdout.on("error", closed)
  process.stderr.on("error", closed)
  const line = {
    program,
    handlers,
    environment: process.env,
    parse: options.parse,
    output: { out: terminal.answer, err: terminal.text },
    around: (input: CommandInput, run: Effect.Effect<number>) => withLogging(program, input, run, options)
  }
  process.on("uncaughtException", (error) => {
    printInternalError(Cause.die(error))
    process.exit(exitCodes.failed)
  })
  let interruptedBy: NodeJS.Signals | undefined
  let isAnswerLost = false
  const command = runCommandLine(line, words).pipe(
    Effect.provideService(CurrentTerminalLoss, watched),
    Effect.provideService(CurrentBusyChecks, busy)
  )
  const fiber = Effect.runFork(withRuntimeClock(command))
  fiber.addObserver((exit) => {
    process.exitCode = isAnswerLost ? exitCodes.failed : exitCodeOf(exit, interruptedBy)
  })
  if (options.handlesSignals) return
  process.stdout.on("error", (error) => {
    const code = errorCode(error)
    // A terminal that was closed answers EIO; SIGHUP comes with it.
    if (isAnswerLost || code === "EPIPE" || code === "EIO" || watched.lost(code ?? "")) return
    isAnswerLost = true
    process.exitCode = exitCodes.failed
    process.stderr.write(notWritten(code))
    Effect.runFork(Fiber.interrupt(fiber))
  })
  for (const signal of ["SIGINT", "SIGTERM"] as const)
    process.on(signal, () => {
      if (interruptedBy !== undefined) process.exit(signalCodes[signal])
      interruptedBy = signal
      Effect.runFork(Fiber.interrupt(fiber))
    })
  process.on("SIGHUP", () => {
    if (watched.lost("SIGHUP") || interruptedBy !== undefined) return
    interruptedBy = "SIGHUP"
    Effect.runFork(Fiber.interrupt(fiber))
  })
}

const signalCodes = {
  SIGINT: exitCodes.interrupted,
  SIGTERM: exitCodes.terminated,
  SIGHUP: exitCodes.hungUp
} as const

const exitCodeOf = (exit: Exit.Exit<number>, signal: NodeJS.Signals | undefined): number => {
  if (Exit.isSuccess(exit)) return exit.value
  if (Cause.hasInterruptsOnly(exit.cause))
    return signal === "SIGTERM" || signal === "SIGHUP" ? signalCodes[signal] : exitCodes.interrupted
  printInternalError(exit.cause)
  return exitCodes.failed
}

/** A defect: explain.ts has no sentence for it. */
const printInternalError = (cause: Cause.Cause<unknown>): void => {
  const shown = process.argv.includes("--debug") ? Cause.pretty(cause) : String(Cause.squash(cause))
  process.stderr.write(`error: internal error: ${shownLines(shown)}\n`)
}

const withLogging = (
  program: Program,
  input: CommandInput,
  run: Effect.Effect<number>,
  { logLevel: fallback, rereadsLogLevel }: ProgramOptions
): Effect.Effect<number> => {
  const asked = input.text("log-level")
  const option = asked === undefined ? undefined : parseLogLevel(asked)
  if (asked !== undefined && option === undefined) {
    const error = invalidValue({
      label: "--log-level <LOG_LEVEL>",
      value: asked,
      reason: "error/warn/info/debug/trace"
    })
    return Effect.sync(() => {
      process.stderr.write(shownLines(usageErrorText(error, program, [program.root])))
      return exitCodes.usage
    })
  }
  const debug = program.globals.some((global) => global.name === "debug") && input.on("debug")
  const { name } = program.root
  const level = (): LogLevelName => {
    const ofSystem = systemLogLevel(input.text("config-dir") ?? "/etc/tedge", [`${name}-${input.command}`, name])
    return chosenLogLevel({ option, debug, environment: process.env, fallback: ofSystem ?? fallback })
  }
  const named = (text: string) => withCommandNames(input.installation, text)
  const command = Effect.andThen(warnOfIgnoredVariable, withActorLog(run))
  const logging = {
    level: level(),
    style: logStyle(process.env),
    write: (text: string) => process.stderr.write(named(text))
  }
  if (rereadsLogLevel === undefined) return Effect.provide(command, loggingLayer(logging))
  const log = adjustableLog(logging)
  const reread = Effect.sync(() =>
    process.on("SIGHUP", () => {
      const next = level()
      if (next === logging.level) return
      // Said whatever the level is: who sent the signal looks for it.
      log.setLevel("info")
      Effect.runSync(
        Effect.logInfo(`log level: ${next}`).pipe(Effect.annotateLogs({ target: name }), Effect.provide(log.layer))
      )
      logging.level = next
      log.setLevel(next)
    })
  )
  return Effect.provide(Effect.andThen(reread, command), log.layer)
}

/** Node itself would say that nothing is verified. */
const warnOfIgnoredVariable = Effect.suspend(() => {
  const name = "NODE_TLS_REJECT_UNAUTHORIZED"
  if (process.env[name] !== "0") return Effect.void
  delete process.env[name]
  return Effect.logWarning(`${name}=0 has no effect: server certificates are always verified`)
})
