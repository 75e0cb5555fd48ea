/**
 * Services managed by the system's service manager: each action is one of its commands.
 *
 * Of systemd also the state of a unit that does not keep running, and the unit's own last error.
 * Source: systemctl(1) `show`, org.freedesktop.systemd1(5), journalctl(1).
 */
import { join } from "node:path"
import { Effect } from "effect"
import { ServiceCommandFailed, ServiceManagerUnavailable } from "../../../messages/connect.ts"
import { type CommandEnd, runCommand } from "../../../platform/process/run-command.ts"
import type { ServiceManager } from "./service-manager.ts"
import type { InitCommands, ServiceAction } from "./system-toml.ts"

/** `unitsDir`: the directory of an administrator's unit changes. */
export const commandServices = (init: InitCommands, unitsDir = "/etc/systemd/system"): ServiceManager => {
  const isSystemd = init.name === "systemd"
  const run = (action: ServiceAction) => (service: string) => {
    const command = init.commands[action].map((word) => word.replaceAll("{}", service))
    return Effect.flatMap(runCommand(command, commandLimitMs), (end) =>
      end.kind === "exited" && end.code === 0 ? Effect.void : Effect.fail(commandFailed(service, command, end))
    )
  }
  /** systemctl reports only that it failed; the unit's log has the reason. */
  const starting = (action: "start" | "restart") => (service: string) =>
    Effect.catchIf(
      run(action)(service),
      (failure) => isSystemd && failure.reason === "exit",
      (failure) =>
        Effect.flatMap(lastError(service), (words) =>
          Effect.fail(words === undefined ? failure : new ServiceCommandFailed({ ...failure, output: words }))
        )
    )
  const isActive = run("is_active")
  return {
    name: init.name,
    checkAvailable: Effect.flatMap(runCommand(init.isAvailable, commandLimitMs), (end) =>
      end.kind === "exited" && end.code === 0
        ? Effect.void
        : Effect.fail(new ServiceManagerUnavailable({ name: init.name, command: init.isAvailable }))
    ),
    // The meaning of a non-zero exit code depends on the manager: the service is not active.
    isActive: (service) =>
      isActive(service).pipe(
        Effect.as(true),
        Effect.catch((failure) => (failure.reason === "exit" ? Effect.succeed(false) : Effect.fail(failure)))
      ),
    start: starting("start"),
    stop: run("stop"),
    restart: starting("restart"),
    enable: run("enable"),
    disable: run("disable"),
    enabled: undefined,
    variables: isSystemd
      ? { path: (service) => join(unitsDir, `${service}.service.d/tedge-hsm.conf`), reload: reload(init) }
      : "byHand",
    process: (service) => (isSystemd ? mainProcess(service) : Effect.succeed(undefined)),
    whyItEnds: (service) => (isSystemd ? whyUnitEnds(service) : Effect.succeed(undefined)),
    whereToLook: (service) => (isSystemd ? `journalctl -u ${service}` : `the log of ${service}`),
    ownsBroker: () => Effect.succeed(true)
  }
}

/** The command of system.toml, as it restarts a unit: `sudo systemctl daemon-reload`. */
const reload = ({ commands }: InitCommands) => {
  const words = commands.restart.filter((word) => !word.includes("{}"))
  const command = words.map((word) => (word === "restart" ? "daemon-reload" : word))
  return Effect.flatMap(runCommand(command, commandLimitMs), (end) =>
    end.kind === "exited" && end.code === 0 ? Effect.void : Effect.fail(commandFailed("systemd", command, end))
  )
}

/** Longer than a mapper may take to stop (75 s) without losing messages. */
const commandLimitMs = 100_000

const commandFailed = (service: string, command: ReadonlyArray<string>, end: CommandEnd): ServiceCommandFailed => {
  switch (end.kind) {
    case "exited":
      return new ServiceCommandFailed({
        service,
        command,
        reason: "exit",
        status: String(end.code),
        output: end.stderr
      })
    case "signalled":
      return new ServiceCommandFailed({ service, command, reason: "signal", status: end.signal, output: end.stderr })
    case "timedOut":
      return new ServiceCommandFailed({
        service,
        command,
        reason: "timeout",
        status: `${commandLimitMs / 1000} s`,
        output: end.stderr
      })
    case "notStarted":
      return new ServiceCommandFailed({ service, command, reason: "notFound", status: end.code, output: "" })
  }
}

/** Undefined: it runs, starts for the first time, or systemd does not report it. */
const whyUnitEnds = (unit: string): Effect.Effect<string | undefined> =>
  Effect.gen(function* () {
    const shown = yield* output(["systemctl", "show", `--property=${properties.join()}`, unit])
    const state = parseProperties(shown ?? "")
    if (state.ActiveState !== "failed" && !state.SubState?.startsWith("auto-restart")) return undefined
    return (yield* lastError(unit, state.InvocationID)) ?? endOf(state)
  })

/** Of its latest run by default. Undefined: none, or this user may not read the journal. */
const lastError = (unit: string, invocation?: string): Effect.Effect<string | undefined> =>
  Effect.gen(function* () {
    const id =
      invocation ??
      parseProperties((yield* output(["systemctl", "show", "-p", "InvocationID", unit])) ?? "").InvocationID
    if (!id) return undefined
    // The unit's own lines, and systemd's about it: a missing program, an unknown user.
    const lines = yield* output([
      ...["journalctl", "--quiet", "--no-pager", "--output=cat", "--priority=err", "--lines=1"],
      ...[`_SYSTEMD_INVOCATION_ID=${id}`, "+", `INVOCATION_ID=${id}`]
    ])
    const line = lines?.trim().split("\n").at(-1) ?? ""
    return line === "" ? undefined : line.replace(/^ *ERROR [\w-]+: /, "")
  })

/** `MainPID` is 0 if none runs. */
const mainProcess = (unit: string): Effect.Effect<number | undefined> =>
  Effect.map(output(["systemctl", "show", "--property=MainPID", unit]), (shown) => {
    const pid = Number(parseProperties(shown ?? "").MainPID)
    return Number.isSafeInteger(pid) && pid > 1 ? pid : undefined
  })

const properties = ["ActiveState", "SubState", "Result", "ExecMainCode", "ExecMainStatus", "InvocationID"] as const

type Properties = Partial<Record<(typeof properties)[number] | "MainPID", string>>

const parseProperties = (text: string): Properties =>
  Object.fromEntries(
    text
      .split("\n")
      .map((line) => line.split(/=(.*)/s))
      .map(([name, value]) => [name, value ?? ""])
  )

/** `ExecMainCode`: 1 is an exit, 2 a signal, 3 one with a core (siginfo_t, CLD_EXITED and the like). */
const endOf = ({ Result, ExecMainCode, ExecMainStatus }: Properties): string =>
  ExecMainCode === "1"
    ? `it ended with exit code ${ExecMainStatus}`
    : ExecMainCode === "2" || ExecMainCode === "3"
      ? `it was ended by signal ${ExecMainStatus}`
      : `systemd says: ${Result || "failed"}`

/** Undefined: the command is missing, or failed. */
const output = (command: ReadonlyArray<string>): Effect.Effect<string | undefined> =>
  Effect.map(runCommand(command, 10_000), (end) => (end.kind === "exited" && end.code === 0 ? end.stdout : undefined))
