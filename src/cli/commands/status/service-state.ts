/** The service manager's state of a service that does not respond. Source: systemctl(1), `show`. */
import { Effect } from "effect"
import type { ServiceManager } from "../../../actors/connect/services/service-manager.ts"
import { runCommand } from "../../../platform/process/run-command.ts"
import { monotonicNow } from "../../../runtime/primitives/monotonic-time.ts"
import { wallNow } from "../../../runtime/primitives/wall-time.ts"

export interface ManagedState {
  readonly isActive: boolean
  /** The manager's term: `inactive`, `failed`. */
  readonly state: string | undefined
  /** Milliseconds since 1970. */
  readonly since: number | undefined
}

/** Undefined: not reported. */
export const managedState = (
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
