/**
 * `tedge-p11-server`: command line in, exit code out. Help and version are printed without starting anything.
 *
 * SIGTERM and SIGINT finish the accepted requests, then it exits with 0; a second signal exits immediately.
 */
import "../../platform/process/no-debugger.ts"
import { Deferred, Effect, Queue } from "effect"
import type { CommandHandler } from "../command-line/command-spec.ts"
import { readWords } from "../command-line/command-words.ts"
import { exitCodes } from "../command-line/exit-codes.ts"
import { answerHelpOrVersion } from "../command-line/help-and-version.ts"
import { parseServiceLine } from "../command-line/service-line.ts"
import { p11ServerProgram } from "../services/p11-server/p11-server-spec.ts"
import { runServer } from "../services/p11-server/run-server.ts"
import { runProgram } from "./run-program.ts"

const start = (): void => {
  const stopped = Deferred.makeUnsafe<void>()
  const hangups = Effect.runSync(Queue.sliding<void>(1))
  let isStopping = false
  for (const signal of ["SIGTERM", "SIGINT"] as const)
    process.on(signal, () => {
      if (isStopping) process.exit(exitCodes.terminated)
      isStopping = true
      Deferred.doneUnsafe(stopped, Effect.void)
    })
  process.on("SIGHUP", () => void Queue.offerUnsafe(hangups, undefined))
  const handler = async (): Promise<CommandHandler> =>
    runServer({ untilStopped: Deferred.await(stopped), reloads: Queue.take(hangups) })
  const options = { parse: parseServiceLine, logLevel: "info", handlesSignals: true } as const
  runProgram(p11ServerProgram, { "": handler }, options)
}

const atOnce = answerHelpOrVersion(p11ServerProgram, readWords(p11ServerProgram, process.argv.slice(2)))
if (atOnce === undefined) start()
else {
  process[atOnce.stream].write(atOnce.text)
  process.exitCode = atOnce.code
}
