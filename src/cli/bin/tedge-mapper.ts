/**
 * `tedge-mapper`: command line in, exit code out.
 *
 * SIGTERM, SIGINT and SIGQUIT drain the in-flight messages, then it exits with 0; a second signal, or 75 s, exits
 * immediately. SIGHUP reloads the log level (run-program.ts), SIGUSR1 logs the actors (mapper/graph-text.ts). Source: thin-edge, mapper process.
 */
import "../../platform/process/no-debugger.ts"
import { Deferred, Effect } from "effect"
import { installationOf } from "../../messages/installation/installation.ts"
import type { CommandHandler } from "../command-line/command-spec.ts"
import { exitCodes } from "../command-line/exit-codes.ts"
import { parseServiceLine } from "../command-line/service-line.ts"
import { installedProgram } from "../compose/installed-program.ts"
import { mapperProgram } from "../services/mapper/mapper-spec.ts"
import { runMapper } from "../services/mapper/run-mapper.ts"
import { runProgram } from "./run-program.ts"

const start = (): void => {
  const stopped = Deferred.makeUnsafe<void>()
  let isStopping = false
  const stop = () => {
    if (isStopping) process.exit(exitCodes.terminated)
    isStopping = true
    Deferred.doneUnsafe(stopped, Effect.void)
    setTimeout(() => process.exit(exitCodes.terminated), longestDrainMs).unref()
  }
  for (const signal of ["SIGTERM", "SIGINT", "SIGQUIT"] as const) process.on(signal, stop)
  process.on("SIGHUP", () => {})
  const handler = async (): Promise<CommandHandler> => runMapper(Deferred.await(stopped))
  const handlers = { c8y: handler, az: handler, aws: handler }
  const program = installedProgram(mapperProgram, installationOf(process.argv[1]))
  const options = { parse: parseServiceLine, logLevel: "info", handlesSignals: true, rereadsLogLevel: true } as const
  runProgram(program, handlers, options)
}

const longestDrainMs = 75_000

start()
