/**
 * systemd's state of a unit that does not keep running, and the unit's own last error.
 *
 * Source: systemctl(1) `show`, org.freedesktop.systemd1(5), journalctl(1).
 */
import { Effect } from "effect"
import { runCommand } from "../../../platform/process/run-command.ts"

/** Undefined: it runs, starts for the first time, or systemd does not report it. */
export const whyUnitEnds = (unit: string): Effect.Effect<string | undefined> =>
  Effect.gen(function* () {
    const shown = yield* output(["systemctl", "show", `--property=${properties.join()}`, unit])
    const state = parseProperties(shown ?? "")
    if (state.ActiveState !== "failed" && !state.SubState?.startsWith("auto-restart")) return undefined
    return (yield* lastError(unit, state.InvocationID)) ?? endOf(state)
  })

/** Of its latest run by default. Undefined: none, or this user may not read the journal. */
export const lastError = (unit: string, invocation?: string): Effect.Effect<string | undefined> =>
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
export const mainProcess = (unit: string): Effect.Effect<number | undefined> =>
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
  Effect.map(runCommand(command, limitMs), (end) => (end.kind === "exited" && end.code === 0 ? end.stdout : undefined))

const limitMs = 10_000
