/**
 * ServiceActor: runs one program while the actor runs.
 *
 * The program's exit is the actor's failure; its supervisor decides what follows (restart with back-off). When the
 * actor is stopped the program gets SIGTERM and time to finish.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { rmSync } from "node:fs"
import { Effect } from "effect"
import { ServiceEnded, ServiceNotStarted, type ServiceProtocol } from "../../messages/service.ts"
import { codeOf } from "../../platform/process/error-code.ts"
import { recordedProcess, recordProcess } from "../../platform/process/recorded-process.ts"
import type { Behaviour, MailboxSpec } from "../../runtime/actor.ts"

interface ServiceProgram {
  readonly command: ReadonlyArray<string>
  /** Records the program's process id: a process left by a killed runner is ended before the program starts again. */
  readonly pidPath: string
  /** Between SIGTERM and SIGKILL, milliseconds. */
  readonly stopWithinMs: number
}

export const serviceMailbox: MailboxSpec = { capacity: 4, overflow: { policy: "refuse" } }

export const serviceBehaviour = (program: ServiceProgram): Behaviour<ServiceProtocol, ServiceNotStarted> => ({
  init: ({ task }) =>
    Effect.gen(function* () {
      yield* endLeftOver(program)
      const running = yield* Effect.acquireRelease(startProcess(program), (running) => stopProcess(program, running))
      yield* task("wait", Effect.flatMap(running.ended, Effect.fail))
      return {
        Signal: ({ signal }) => Effect.sync(() => void running.process.kill(signal))
      }
    })
})

interface Running {
  readonly process: ChildProcess
  readonly ended: Effect.Effect<ServiceEnded>
}

const startProcess = ({ command, pidPath }: ServiceProgram): Effect.Effect<Running, ServiceNotStarted> =>
  Effect.callback<Running, ServiceNotStarted>((resume) => {
    const [file = "", ...args] = command
    const child = spawn(file, args, { stdio: ["ignore", "inherit", "inherit"] })
    const ended = new Promise<ServiceEnded>((resolve) => {
      child.once("exit", (code, signal) =>
        resolve(new ServiceEnded({ command: file, code: code ?? undefined, signal: signal ?? undefined }))
      )
    })
    child.once("error", (error) => resume(Effect.fail(new ServiceNotStarted({ command: file, code: codeOf(error) }))))
    child.once("spawn", () => {
      recordProcess(pidPath, child.pid)
      resume(Effect.succeed({ process: child, ended: Effect.promise(() => ended) }))
    })
  })

const stopProcess = (
  { pidPath, stopWithinMs }: ServiceProgram,
  { process: child, ended }: Running
): Effect.Effect<void> =>
  Effect.gen(function* () {
    child.kill("SIGTERM")
    yield* Effect.timeoutOrElse(ended, {
      duration: stopWithinMs,
      orElse: () =>
        Effect.andThen(
          Effect.sync(() => child.kill("SIGKILL")),
          ended
        )
    })
    rmSync(pidPath, { force: true })
  })

const endLeftOver = ({ pidPath }: ServiceProgram): Effect.Effect<void> =>
  Effect.sync(() => {
    const pid = recordedProcess(pidPath)
    if (pid !== undefined) process.kill(pid, "SIGKILL")
  })
