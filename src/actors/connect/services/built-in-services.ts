/**
 * Services where no init system runs: a runner process for each, detached from the terminal that started it.
 *
 * A runner holds a lock file with its process id in it for as long as it lives; that is what "active" means. It starts
 * its service again when that ends. The log of a service is `<logs>/<service>.log`.
 */
import { spawn } from "node:child_process"
import { closeSync, constants, existsSync, mkdirSync, openSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { Effect, Schedule } from "effect"
import { ServiceCommandFailed } from "../../../messages/connect.ts"
import { tryLock } from "../../../platform/unix-addon.ts"
import { removeIfPresent, writeWhole } from "../connect-files.ts"
import type { ServiceManager } from "./service-manager.ts"

export interface BuiltInPlaces {
  /** Lock files. */
  readonly runDir: string
  readonly logDir: string
  /** Directories that services expect and an init system would have made. */
  readonly expected: ReadonlyArray<string>
  /** One file per enabled service. */
  readonly enabledDir: string
  /** The program that runs a service: its name, its lock file, and the command come after it. */
  readonly runner: ReadonlyArray<string>
  /** Undefined: the service is not installed. */
  readonly commandOf: (service: string) => ReadonlyArray<string> | undefined
  readonly environment: Readonly<Record<string, string | undefined>>
}

export const builtInServices = (places: BuiltInPlaces): ServiceManager => {
  const isActive = (service: string) =>
    Effect.try({
      try: () => holderOf(lockPath(places, service)) !== undefined,
      catch: (error) => failed(service, [], error)
    })
  const start = (service: string) =>
    Effect.flatMap(isActive(service), (active) => (active ? Effect.void : startRunner(places, service)))
  const stop = (service: string) => stopRunner(places, service)
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
    whereToLook: (service) => logPath(places, service),
    ownsBroker: (answering) =>
      answering ? Effect.orElseSucceed(isActive("mosquitto"), () => false) : Effect.succeed(true)
  }
}

const namesIn = (directory: string): ReadonlyArray<string> =>
  existsSync(directory) ? readdirSync(directory).sort() : []

/** The others connect to it. */
const brokerFirst = (services: ReadonlyArray<string>): ReadonlyArray<string> =>
  services.toSorted((a, b) => Number(b === "mosquitto") - Number(a === "mosquitto"))

const lockPath = ({ runDir }: BuiltInPlaces, service: string): string => join(runDir, `${service}.lock`)

const logPath = ({ logDir }: BuiltInPlaces, service: string): string => join(logDir, `${service}.log`)

/** Process id of the runner; undefined: nobody holds the lock. */
const holderOf = (path: string): number | undefined => {
  const descriptor = openIfPresent(path)
  if (descriptor === undefined) return undefined
  try {
    return tryLock(descriptor) ? undefined : Number(readFileSync(descriptor, "utf8").trim())
  } finally {
    closeSync(descriptor)
  }
}

/** The runner holds the lock and has started its program: the process id beside the lock is that of its child. */
const isRunning = (path: string, runner: number | undefined): boolean => {
  if (runner === undefined || holderOf(path) !== runner) return false
  const program = readIfThere(path.replace(/\.lock$/, ".pid")).split(" ")[0]
  const parent = readIfThere(`/proc/${program}/stat`).split(") ").at(-1)?.split(" ")[1]
  return parent === String(runner)
}

const readIfThere = (path: string): string => {
  try {
    return readFileSync(path, "utf8")
  } catch {
    return "" // not there yet
  }
}

const openIfPresent = (path: string): number | undefined => {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined
    throw error
  }
}

const startRunner = (places: BuiltInPlaces, service: string): Effect.Effect<void, ServiceCommandFailed> =>
  Effect.gen(function* () {
    const command = places.commandOf(service)
    if (command === undefined) return yield* notInstalled(service)
    const argv = [...places.runner, service, lockPath(places, service), logPath(places, service), ...command]
    const runner = yield* Effect.try({
      try: () => detached(places, service, argv),
      catch: (error) => failed(service, command, error)
    })
    yield* Effect.suspend((): Effect.Effect<void, "starting" | ServiceCommandFailed> => {
      if (runner.ended !== undefined) return Effect.fail(failed(service, command, runner.ended))
      return isRunning(lockPath(places, service), runner.pid) ? Effect.void : Effect.fail("starting")
    }).pipe(
      Effect.retry({ while: (failure) => failure === "starting", schedule: Schedule.spaced("30 millis"), times: 500 }),
      Effect.mapError((failure) =>
        failure === "starting" ? failed(service, command, "it did not start in time") : failure
      )
    )
  })

interface Runner {
  readonly pid: number | undefined
  /** Why it is not running any more. */
  ended: string | undefined
}

/** In a session of its own, so that the end of the terminal does not reach it. */
const detached = (places: BuiltInPlaces, service: string, argv: ReadonlyArray<string>): Runner => {
  for (const directory of [places.runDir, places.logDir, ...places.expected]) mkdirSync(directory, { recursive: true })
  const log = openSync(logPath(places, service), "a", 0o640)
  const [file = "", ...args] = argv
  const child = spawn(file, args, {
    detached: true,
    stdio: ["ignore", log, log],
    cwd: "/",
    env: serviceEnvironment(places.environment)
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

/** What a service manager of the system gave to `tedge` is not for its services. */
const serviceEnvironment = (environment: BuiltInPlaces["environment"]): Record<string, string | undefined> => {
  const dropped = [
    "TEDGE_CLOUD_PROFILE",
    "NOTIFY_SOCKET",
    "INVOCATION_ID",
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES"
  ]
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !dropped.includes(name)))
}

/** The runner lets its service finish first. A lock that is not free in time ends by force. */
const stopRunner = (places: BuiltInPlaces, service: string): Effect.Effect<void, ServiceCommandFailed> => {
  const path = lockPath(places, service)
  const signal = (name: NodeJS.Signals) =>
    Effect.try({
      try: () => {
        const pid = holderOf(path)
        if (pid !== undefined && Number.isSafeInteger(pid) && pid > 1) process.kill(pid, name)
      },
      catch: (error) => failed(service, ["kill", `-${name.slice(3)}`], error)
    })
  const untilFree = (tries: number) =>
    Effect.suspend(() => (holderOf(path) === undefined ? Effect.void : Effect.fail("held" as const))).pipe(
      Effect.retry({ schedule: Schedule.spaced("50 millis"), times: tries })
    )
  return signal("SIGTERM").pipe(
    Effect.andThen(untilFree(stopTries)),
    Effect.catchIf(
      (failure) => failure === "held",
      () => Effect.andThen(signal("SIGKILL"), untilFree(100))
    ),
    Effect.catchIf(
      (failure) => failure === "held",
      () => Effect.fail(failed(service, ["kill"], "it does not end"))
    )
  )
}

/** 90 s: a mapper may take 75 s to hand over what it holds. */
const stopTries = 1800

const notInstalled = (service: string): Effect.Effect<never, ServiceCommandFailed> =>
  Effect.fail(
    new ServiceCommandFailed({ service, command: [service], reason: "notFound", status: "ENOENT", output: "" })
  )

const failed = (service: string, command: ReadonlyArray<string>, error: unknown): ServiceCommandFailed =>
  new ServiceCommandFailed({
    service,
    command: command.length === 0 ? [service] : command,
    reason: "exit",
    status: "1",
    output: error instanceof Error ? error.message : String(error)
  })
