/**
 * Runs one service for the built-in service manager (no init system), detached:
 * `service-runner NAME LOCK LOG [--user=NAME:UID:GID] COMMAND...`.
 *
 * Holds the service's lock, restarts the command with back-off when it exits, and limits the size of the log.
 * On SIGTERM it waits for the command to exit. Its own messages go to the same log.
 */
import "../../platform/process/no-debugger.ts"
import { Cause, Deferred, Effect, Schedule } from "effect"
import { serviceBehaviour, serviceMailbox } from "../../actors/service/service-actor.ts"
import { explain } from "../../messages/explain.ts"
import { LockHeld, LockUnavailable } from "../../messages/platform.ts"
import { ServiceEnded, ServiceNotStarted, type ServiceProtocol } from "../../messages/service.ts"
import { shownText } from "../../messages/shown-text.ts"
import { acquireFileLock } from "../../platform/files/file-lock.ts"
import { rotateLog } from "../../platform/files/given-files.ts"
import { becomeUser, givenUser } from "../../platform/users/become-user.ts"
import * as Actor from "../../runtime/actor.ts"
import { type RuntimeEvent, RuntimeEvents } from "../../runtime/events.ts"
import { withRuntimeClock } from "../../runtime/primitives/runtime-clock.ts"
import { processDate } from "../../runtime/primitives/wall-time.ts"
import { StartFailed } from "../../runtime/supervision.ts"
import { Supervisor } from "../../runtime/supervisor.ts"
import { exitCodes } from "../command-line/exit-codes.ts"

const [name = "", lockPath = "", logPath = "", ...rest] = process.argv.slice(2)

/** First of all: a service does not run as root. */
const user = rest[0]?.startsWith("--user=") ? givenUser(rest[0].slice("--user=".length)) : undefined
if (user !== undefined) becomeUser(user)

const command = user === undefined ? rest : rest.slice(1)

/** Installed before the command starts, so that a signal during the start also ends it. */
const terminated = Deferred.makeUnsafe<void>()
process.once("SIGTERM", () => Deferred.doneUnsafe(terminated, Effect.void))

const run = Effect.gen(function* () {
  yield* acquireFileLock(lockPath).pipe(
    // Another process may be probing the lock at this moment.
    Effect.retry({ while: ({ _tag }) => _tag === "LockHeld", schedule: Schedule.spaced("20 millis"), times: 100 })
  )
  const place = yield* Actor.address<ServiceProtocol>({ name, mailbox: serviceMailbox })
  const program = { command, pidPath: lockPath.replace(/\.lock$/, ".pid"), stopWithinMs: 80_000 }
  const service = Actor.child(place, serviceBehaviour(program), {
    restart: "permanent",
    stopWithin: "85 seconds",
    // 255: do not restart. Source: thin-edge, mapper unit, RestartPreventExitStatus.
    decide: (cause) => ((Cause.squash(cause) as Partial<ServiceEnded>).code === 255 ? "escalate" : "restart")
  })
  const supervisor = yield* Supervisor.start({
    name: "service-runner",
    strategy: "one_for_one",
    // No restart limit: nothing else would start it again.
    intensity: { max: Number.MAX_SAFE_INTEGER, within: "1 minute" },
    backoff: { initial: "1 second", maximum: "1 minute", factor: 2, jitter: 0.2, resetAfter: "1 minute" },
    onExhausted: "escalate",
    children: [service]
  })
  process.on("SIGUSR1", () => Effect.runFork(place.ref.offer("Signal", { signal: "SIGUSR1" })))
  // The command appends to the file itself and continues in the truncated file.
  yield* Effect.forkScoped(
    Effect.repeat(
      Effect.ignore(Effect.try({ try: () => rotateLog(logPath, largestLog), catch: String })),
      Schedule.spaced("1 minute")
    )
  )
  yield* Effect.raceFirst(Deferred.await(terminated), supervisor.awaitExit)
})

const largestLog = 5 * 1024 * 1024

const logged = (text: string): void =>
  void process.stderr.write(`${processDate().toISOString()}  INFO service-runner: ${shownText(text)}\n`)

/** Error of the actor or the lock, for the log, without a stack. */
const why = (cause: Cause.Cause<unknown>): string => {
  const reason = Cause.squash(cause)
  if (reason instanceof StartFailed) return why(reason.cause)
  if (reason instanceof ServiceNotStarted) return `'${reason.command}' cannot be started: ${reason.code}`
  if (reason instanceof ServiceEnded) return `it ended with ${reason.signal ?? `code ${reason.code}`}`
  return reason instanceof LockHeld || reason instanceof LockUnavailable ? explain(reason).error : String(reason)
}

for (const signal of ["SIGHUP", "SIGINT"] as const) process.on(signal, () => undefined)

const program = run.pipe(
  Effect.scoped,
  Effect.provideService(RuntimeEvents, {
    slowAfterMs: Number.POSITIVE_INFINITY,
    publish: (event: RuntimeEvent): void => {
      if (event._tag === "Restarting") logged(`${name} restarts in ${Math.round(event.afterMs)} ms`)
      if (event._tag === "Failed") logged(`${name}: ${why(event.cause)}`)
    }
  })
)
Effect.runFork(withRuntimeClock(program)).addObserver((exit) => {
  if (exit._tag === "Success") return
  logged(`${name} is not run: ${why(exit.cause)}`)
  process.exitCode = exitCodes.failed
})
