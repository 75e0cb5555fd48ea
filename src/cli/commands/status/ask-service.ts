/** Requests a service's snapshot; if there is none, asks the service manager why. */
import { Effect } from "effect"
import type { ServiceManager } from "../../../actors/connect/services/service-manager.ts"
import type { ReadRefusal } from "../../../messages/config.ts"
import { explain } from "../../../messages/explain.ts"
import { printQuestion, serviceSocketPath, tooManyClients } from "../../../messages/service-socket.ts"
import { ServiceDown, StatusForbidden, StatusNotShown, StatusTimedOut } from "../../../messages/status/refusals.ts"
import type { Snapshot } from "../../../messages/status/snapshot.ts"
import { parseStatusLine } from "../../../messages/status/status-line.ts"
import { isBad } from "../../../messages/status/verdict.ts"
import { runCommand } from "../../../platform/process/run-command.ts"
import { askJsonLine } from "../../../platform/sockets/json-lines-socket.ts"
import { connectUnix } from "../../../platform/sockets/socket-io.ts"
import { groupThatMayUse } from "../../../platform/users/user-access.ts"
import { monotonicNow } from "../../../runtime/primitives/monotonic-time.ts"
import { wallNow } from "../../../runtime/primitives/wall-time.ts"
import { namedHere } from "../../terminal/terminal.ts"
import type { ServiceReport } from "./report.ts"

export interface AskedService {
  readonly name: string
  /** The command that starts it. */
  readonly startedBy: string | undefined
  /** The systemd unit that activates it on the first connection: without a client it need not run. */
  readonly socketUnit?: string
  /** The socket on which it serves keys: it is up while a process listens there, even one unknown to the service manager. */
  readonly socketPath?: string
  /** Its settings are invalid: the running process has older ones. */
  readonly failure?: ReadRefusal
}

type UnjudgedReport = Omit<ServiceReport, "bad">

export const askService = (
  service: AskedService,
  runPath: string,
  manager: ServiceManager | undefined
): Effect.Effect<ServiceReport> =>
  Effect.map(queryService(service, runPath, manager), (report) => judged(service, report))

/** What it reports about itself. */
export const reportOfSnapshot = (
  service: AskedService,
  manager: ServiceManager | undefined,
  snapshot: Snapshot
): ServiceReport => judged(service, reportOf(service, manager, snapshot))

const judged = ({ name, failure }: AskedService, report: UnjudgedReport): ServiceReport => {
  const isShown = report.state === "up" || report.snapshot !== undefined
  const shown: UnjudgedReport = isShown ? report : { name, state: "unknown" }
  const said = failure === undefined ? report : { ...shown, ...explain(failure) }
  const { error, hint } = said
  return {
    ...said,
    ...(error !== undefined && { error: namedHere(error) }),
    ...(hint !== undefined && { hint: namedHere(hint) }),
    bad: isBad(said)
  }
}

const reportOf = ({ name }: AskedService, manager: ServiceManager | undefined, snapshot: Snapshot): UnjudgedReport => {
  const about = { name, ...(manager !== undefined && { manager: manager.name }), snapshot }
  if (snapshot.silent !== true) return { ...about, state: "up" }
  const detail = "a part of it does not answer"
  const log = manager?.whereToLook(name)
  return { ...about, state: "unknown", ...explain(new StatusNotShown({ service: name, detail, reason: "other", log })) }
}

const queryService = (
  service: AskedService,
  runPath: string,
  manager: ServiceManager | undefined
): Effect.Effect<UnjudgedReport> => {
  const { name } = service
  const path = serviceSocketPath(runPath, name)
  const about = { name, ...(manager !== undefined && { manager: manager.name }) }
  const withoutReport = (failure: StatusForbidden | StatusTimedOut | StatusNotShown): UnjudgedReport => ({
    ...about,
    state: "unknown",
    ...explain(failure)
  })
  const log = manager?.whereToLook(name)
  const notShown = (detail: string, reason: StatusNotShown["reason"]): UnjudgedReport =>
    withoutReport(new StatusNotShown({ service: name, detail, reason, log }))
  return askJsonLine(path, printQuestion({ ask: "snapshot" })).pipe(
    Effect.timeoutOrElse({ duration: answerMs, orElse: () => Effect.fail("late") }),
    Effect.matchEffect({
      onSuccess: (line): Effect.Effect<UnjudgedReport> => {
        const said = parseStatusLine(line)
        if (said.kind === "snapshot") return Effect.succeed(reportOf(service, manager, said.snapshot))
        const detail = said.kind === "refused" ? said.error : "an answer of another version"
        return Effect.succeed(notShown(detail, line === tooManyClients ? "busy" : "otherVersion"))
      },
      onFailure: (code): Effect.Effect<UnjudgedReport> => {
        if (isForbidden(code))
          return Effect.succeed(
            withoutReport(new StatusForbidden({ service: name, path, group: groupThatMayUse(path, "rw") }))
          )
        if (code === "late" || code === "EAGAIN")
          return Effect.succeed(withoutReport(new StatusTimedOut({ service: name, afterMs: answerMs, log })))
        if (!isNotServed(code))
          return Effect.succeed(
            notShown(detailOf(code), ["closed", "ECONNRESET", "EPIPE"].includes(code) ? "closed" : "other")
          )
        return Effect.gen(function* () {
          const managed = yield* managedState(name, manager)
          if (managed?.isActive === true) return notShown(detailOf(code), "noSocket")
          if (managed?.state !== "failed" && (yield* isWaitedFor(service, manager)))
            return { ...about, state: "up", idle: true, ...sinceOf(managed) }
          const { socketPath } = service
          const dialled = socketPath === undefined ? "ENOENT" : yield* dial(socketPath)
          if (socketPath !== undefined && isForbidden(dialled))
            return withoutReport(
              new StatusForbidden({ service: name, path: socketPath, group: groupThatMayUse(socketPath, "rw") })
            )
          // EAGAIN: its connection queue is full.
          return dialled === "" || dialled === "EAGAIN"
            ? { ...about, state: "up" }
            : {
                ...about,
                state: "down",
                ...sinceOf(managed),
                ...explain(new ServiceDown({ service: name, state: managed?.state, startedBy: service.startedBy }))
              }
        })
      }
    })
  )
}

/** Socket activation by systemd: connecting would start it. */
const isWaitedFor = ({ socketUnit }: AskedService, manager: ServiceManager | undefined): Effect.Effect<boolean> =>
  socketUnit === undefined
    ? Effect.succeed(false)
    : Effect.map(managedState(socketUnit, manager), (managed) => managed?.isActive === true)

/** The error code of connecting; empty: a process listens. */
const dial = (path: string): Effect.Effect<string> =>
  Effect.scoped(connectUnix(path)).pipe(
    Effect.as(""),
    Effect.catch(({ code }) => Effect.succeed(code))
  )

const isForbidden = (code: string): boolean => code === "EACCES" || code === "EPERM"

/** No process listens. Other errors come from one that does. */
const isNotServed = (code: string): boolean =>
  ["ENOENT", "ENOTDIR", "ECONNREFUSED", "ENOTSOCK", "ENAMETOOLONG"].includes(code)

const detailOf = (code: string): string => details[code] ?? `its socket: ${code}`

const details: Readonly<Record<string, string | undefined>> = {
  closed: "it closed the connection without an answer",
  tooLong: "its answer is too long"
}

const sinceOf = (managed: ManagedState | undefined): Pick<UnjudgedReport, "since"> =>
  managed?.since === undefined ? {} : { since: managed.since }

const answerMs = 1_000

interface ManagedState {
  readonly isActive: boolean
  /** The manager's term: `inactive`, `failed`. */
  readonly state: string | undefined
  /** Milliseconds since 1970. */
  readonly since: number | undefined
}

/** The service manager's state of a service that does not respond. Source: systemctl(1), `show`. Undefined: not reported. */
const managedState = (
  service: string,
  manager: ServiceManager | undefined
): Effect.Effect<ManagedState | undefined> => {
  if (manager === undefined) return Effect.succeed(undefined)
  if (manager.name === "systemd") return unitState(service)
  return manager.isActive(service).pipe(
    Effect.map((isActive) => ({ isActive, state: isActive ? "active" : "inactive", since: undefined })),
    Effect.timeoutOrElse({ duration: limitMs, orElse: () => Effect.succeed(undefined) }),
    Effect.catch(() => Effect.succeed(undefined))
  )
}

const unitState = (service: string): Effect.Effect<ManagedState | undefined> =>
  Effect.gen(function* () {
    const properties = "ActiveState,LoadState,StateChangeTimestampMonotonic"
    const end = yield* runCommand(["systemctl", "show", `--property=${properties}`, service], limitMs)
    if (end.kind !== "exited" || end.code !== 0) return undefined
    const { ActiveState, LoadState, StateChangeTimestampMonotonic } = Object.fromEntries(
      end.stdout.split("\n").map((line) => line.split(/=(.*)/s))
    )
    if (LoadState === "not-found") return { isActive: false, state: "not installed", since: undefined }
    if (typeof ActiveState !== "string") return undefined
    const changed = Number(StateChangeTimestampMonotonic ?? 0) / 1_000
    const since = changed > 0 ? Math.round((yield* wallNow) - ((yield* monotonicNow) - changed)) : undefined
    return { isActive: ActiveState === "active", state: ActiveState, since }
  })

const limitMs = 1_000
