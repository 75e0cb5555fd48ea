/**
 * Services without an init system: a runner process each, detached from the terminal that started it.
 *
 * A runner holds a lock file containing its process id while it runs; that is what "active" means. It restarts
 * its service when that exits. The log of a service is `<logs>/<service>.log`.
 */
import { spawn } from "node:child_process"
import { closeSync, existsSync, lstatSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { Effect, Exit, Schedule } from "effect"
import { ServiceCommandFailed } from "../../../messages/connect.ts"
import { explainKeptOut } from "../../../messages/explain/connect.ts"
import { AddonNotLoaded } from "../../../messages/platform.ts"
import { giveDirectory, makeDirectories, olderLog, openLog } from "../../../platform/files/given-files.ts"
import { lastErrorIn } from "../../../platform/files/log-tail.ts"
import { errorCode, messageOf } from "../../../platform/process/error-code.ts"
import { lockHolder, lockOwner } from "../../../platform/process/lock-owner.ts"
import { parentOf, recordedProcess, userOf } from "../../../platform/process/recorded-process.ts"
import { environmentOf, printUser } from "../../../platform/users/become-user.ts"
import type { ServiceAccount } from "../../../platform/users/service-user.ts"
import { removeIfPresent, writeWhole } from "../connect-files.ts"
import { keptOut, serviceEnvironment } from "./service-environment.ts"
import type { ServiceFailure, ServiceManager } from "./service-manager.ts"

export interface BuiltInPlaces {
  /** Lock files. */
  readonly runDir: string
  readonly logDir: string
  /** Directories that services expect and an init system would have created. */
  readonly expected: ReadonlyArray<string>
  /** One file per enabled service. */
  readonly enabledDir: string
  /** The program that runs a service; its arguments are name, lock file, and command. */
  readonly runner: ReadonlyArray<string>
  /** Undefined: the service is not installed. */
  readonly commandOf: (service: string) => ReadonlyArray<string> | undefined
  readonly environment: Readonly<Record<string, string | undefined>>
  /** User of the services if root starts them; undefined: the caller. */
  readonly user?: ServiceAccount | undefined
}

export const builtInServices = (places: BuiltInPlaces): ServiceManager => {
  const isActive = (service: string) =>
    Effect.map(holder(service, lockPath(places, service)), (runner) => runner !== undefined)
  /** Stopping: signalled, and their locks are still held. */
  const ending = new Set<string>()
  const stop = (service: string) =>
    Effect.suspend(() => {
      ending.add(service)
      return Effect.tap(stopRunner(places, service), () => Effect.sync(() => ending.delete(service)))
    })
  const start = (service: string) =>
    Effect.gen(function* () {
      // A stop that was interrupted, and is now rolled back.
      if (ending.has(service)) yield* stop(service)
      if (!(yield* isActive(service))) yield* startRunner(places, service)
    })
  const enabled = (service: string): string => join(places.enabledDir, service)
  return {
    name: "built-in",
    checkAvailable: Effect.void,
    isActive,
    start,
    stop,
    restart: (service) => Effect.andThen(stop(service), start(service)),
    enable: (service) =>
      Effect.mapError(writeWhole(enabled(service), ""), ({ path, code }) => failed(service, ["enable", path], code)),
    disable: (service) =>
      Effect.mapError(removeIfPresent(enabled(service)), ({ path, code }) => failed(service, ["disable", path], code)),
    enabled: Effect.sync(() => brokerFirst(namesIn(places.enabledDir))),
    variables: "inCommand",
    process: (service) => Effect.sync(() => recordedProcess(pidPath(lockPath(places, service)))),
    whyItEnds: (service) => Effect.sync(() => whyItEnds(places, service)),
    whereToLook: (service) => logPath(places, service),
    ownsBroker: (answering) =>
      answering ? Effect.orElseSucceed(isActive("mosquitto"), () => false) : Effect.succeed(true)
  }
}

/** Its runner waits before restarting it: the last error in its log. */
const whyItEnds = (places: BuiltInPlaces, service: string): string | undefined => {
  try {
    const path = lockPath(places, service)
    const runner = lockOwner(path)
    if (runner === undefined || isRunning(path, runner)) return undefined
    return lastErrorIn(logPath(places, service))
  } catch {
    return undefined // an invisible process may still run
  }
}

const namesIn = (directory: string): ReadonlyArray<string> =>
  existsSync(directory) ? readdirSync(directory).sort() : []

/** The others connect to it. */
const brokerFirst = (services: ReadonlyArray<string>): ReadonlyArray<string> =>
  services.toSorted((a, b) => Number(b === "mosquitto") - Number(a === "mosquitto"))

const lockPath = ({ runDir }: BuiltInPlaces, service: string): string => join(runDir, `${service}.lock`)

const logPath = ({ logDir }: BuiltInPlaces, service: string): string => join(logDir, `${service}.log`)

/** Process id of the runner; undefined: the lock is free. */
const holder = (service: string, path: string): Effect.Effect<number | "unseen" | undefined, ServiceFailure> =>
  orFailed(service, [], () => lockHolder(path))

/** The runner holds the lock and has started its program: the process in the file beside the lock is its child. */
const isRunning = (path: string, runner: number | undefined): boolean => {
  if (runner === undefined || lockOwner(path) !== runner) return false
  const program = recordedProcess(pidPath(path))
  return program !== undefined && parentOf(program) === runner
}

const pidPath = (lock: string): string => lock.replace(/\.lock$/, ".pid")

const startRunner = (places: BuiltInPlaces, service: string): Effect.Effect<void, ServiceFailure> =>
  Effect.gen(function* () {
    const command = places.commandOf(service)
    if (command === undefined)
      return yield* Effect.fail(
        new ServiceCommandFailed({ service, command: [service], reason: "notFound", status: "ENOENT", output: "" })
      )
    const path = lockPath(places, service)
    const user = places.user === undefined ? [] : [`--user=${printUser(places.user)}`]
    const argv = [...places.runner, service, path, logPath(places, service), ...user, ...command]
    const secrets = keptOut(places.environment)
    if (secrets.length > 0) yield* Effect.logWarning(explainKeptOut(service, secrets))
    const launch = orFailed(service, command, () => detached(places, service, argv))
    // If the wait is given up for any reason, nothing is left running.
    yield* Effect.acquireUseRelease(
      launch,
      (runner) => untilRunning(service, command, path, runner),
      (runner, exit) => (Exit.isSuccess(exit) ? Effect.void : endRunner(places, service, runner))
    )
  })

const untilRunning = (service: string, command: ReadonlyArray<string>, path: string, runner: Runner) => {
  const look = orFailed(service, command, () => isRunning(path, runner.pid))
  return Effect.suspend((): Effect.Effect<void, "starting" | ServiceFailure> => {
    if (runner.ended !== undefined) return Effect.fail(failed(service, command, runner.ended))
    return Effect.flatMap(look, (running) => (running ? Effect.void : Effect.fail("starting" as const)))
  }).pipe(
    Effect.retry({ while: (failure) => failure === "starting", schedule: Schedule.spaced("30 millis"), times: 500 }),
    Effect.mapError((failure) =>
      failure === "starting" ? failed(service, command, "it did not start in time") : failure
    )
  )
}

/** A runner that is still starting holds no lock yet: it is ended by its process id. */
const endRunner = (places: BuiltInPlaces, service: string, runner: Runner): Effect.Effect<void> =>
  Effect.gen(function* () {
    const { pid } = runner
    if (pid === undefined || runner.ended !== undefined) return
    yield* Effect.sync(() => kill(pid, "SIGTERM"))
    const gone = Effect.suspend(() => (runner.ended === undefined ? Effect.fail("runs" as const) : Effect.void))
    yield* Effect.ignore(Effect.retry(gone, { schedule: Schedule.spaced("50 millis"), times: stopTries }))
    yield* Effect.ignore(stopRunner(places, service)) // what it may have left behind
  })

interface Runner {
  readonly pid: number | undefined
  /** Why it does not run any more. */
  ended: string | undefined
}

/** In its own session, so that closing the terminal does not affect it. */
const detached = (places: BuiltInPlaces, service: string, argv: ReadonlyArray<string>): Runner => {
  const { user: owner, environment } = places
  for (const directory of [places.runDir, ...places.expected]) makeDirectories(directory, { owner })
  if (owner !== undefined) giveDirectory(places.runDir, owner)
  // The log belongs to the services, its directory does not: a setting names it.
  makeDirectories(places.logDir)
  const log = openLog(logPath(places, service), { mode: 0o640, owner })
  closeSync(openLog(olderLog(logPath(places, service)), { mode: 0o640, owner }))
  const [file = "", ...args] = argv
  const child = spawn(file, args, {
    detached: true,
    stdio: ["ignore", log, log],
    cwd: "/",
    env: serviceEnvironment(owner === undefined ? environment : environmentOf(environment, owner))
  })
  closeSync(log)
  const runner: Runner = { pid: child.pid, ended: undefined }
  child.on("error", (error) => {
    runner.ended = error.message
  })
  child.on("exit", (code, signal) => {
    runner.ended = `ended with ${signal ?? `code ${code}`}`
  })
  child.unref()
  return runner
}

/**
 * The runner lets its service finish first. After a time limit it is killed. A program whose runner was
 * killed is found by its recorded process id.
 */
const stopRunner = (places: BuiltInPlaces, service: string): Effect.Effect<void, ServiceFailure> => {
  const path = lockPath(places, service)
  let asked: number | undefined
  /** Remaining processes: the runner, and after it those it could not end itself. Each gets the signal once. */
  const askToEnd = orFailed(service, ["kill", "-TERM"], () => {
    const [pid] = processesOf(path)
    if (pid !== undefined && pid !== asked) kill(pid, "SIGTERM")
    asked = pid
    return pid === undefined
  })
  const force = orFailed(service, ["kill", "-KILL"], () => {
    for (const pid of processesOf(path)) kill(pid, "SIGKILL")
    return false
  })
  const until = (look: Effect.Effect<boolean, ServiceFailure>, tries: number) =>
    Effect.flatMap(look, (gone) => (gone ? Effect.void : Effect.fail("runs" as const))).pipe(
      Effect.retry({ while: (failure) => failure === "runs", schedule: Schedule.spaced("50 millis"), times: tries })
    )
  return until(askToEnd, stopTries).pipe(
    Effect.catchIf(
      (failure) => failure === "runs",
      () => Effect.andThen(force, until(askToEnd, 100))
    ),
    Effect.catchIf(
      (failure) => failure === "runs",
      () => Effect.fail(failed(service, ["kill"], "it does not end"))
    )
  )
}

/** The runner, and its program. */
const processesOf = (lock: string): ReadonlyArray<number> => {
  const runner = lockHolder(lock)
  if (runner === "unseen") throw new Error(`'${lock}' is held by a process that cannot be seen from here`)
  return [...ofItsWriter(lock, runner), ...ofItsWriter(pidPath(lock), recordedProcess(pidPath(lock)))]
}

/** The services' user owns the files: a process id in them is accepted for processes of that user only. */
const ofItsWriter = (path: string, pid: number | undefined): ReadonlyArray<number> => {
  const writer = lstatSync(path, { throwIfNoEntry: false })?.uid
  return pid !== undefined && (writer === 0 || writer === userOf(pid)) ? [pid] : []
}

const orFailed = <A>(
  service: string,
  command: ReadonlyArray<string>,
  work: () => A
): Effect.Effect<A, ServiceFailure> => Effect.try({ try: work, catch: (error) => failed(service, command, error) })

/** An exited process is fine. */
const kill = (pid: number, signal: NodeJS.Signals): void => {
  if (!Number.isSafeInteger(pid) || pid <= 1) return
  try {
    process.kill(pid, signal)
  } catch (error) {
    if (errorCode(error) !== "ESRCH") throw error
  }
}

/** 90 s: a mapper may take 75 s to drain. */
const stopTries = 1800

/** Without the add-on no lock can be checked: not a fault of the service. */
const failed = (service: string, command: ReadonlyArray<string>, error: unknown): ServiceFailure =>
  error instanceof AddonNotLoaded
    ? error
    : new ServiceCommandFailed({
        service,
        command: command.length === 0 ? [service] : command,
        reason: "exit",
        status: "1",
        output: messageOf(error)
      })
