/**
 * Notifications to systemd: ready, reloading, stopping, a status line, and the watchdog.
 *
 * Without NOTIFY_SOCKET nothing is sent. A notification that cannot be sent is dropped: the service continues.
 * Source: sd_notify(3), systemd.service(5) `Type=notify-reload`.
 */
import { Duration, Effect } from "effect"
import { controlsReplaced } from "../../messages/shown-text.ts"
import { notifyManager } from "../../platform/native/unix-addon.ts"

export interface ServiceManager {
  readonly ready: Effect.Effect<void>
  readonly stopping: Effect.Effect<void>
  /** Before a reload; `ready` ends it. */
  readonly reloading: Effect.Effect<void>
  readonly status: (line: string) => Effect.Effect<void>
  /** Notifies the watchdog while `alive` succeeds, twice in each watchdog period; ends immediately without a watchdog. */
  readonly watchdog: (alive: Effect.Effect<unknown, unknown>) => Effect.Effect<void>
}

export const serviceManager = (variables: Readonly<NodeJS.ProcessEnv>, pid: number): ServiceManager => {
  const address = variables.NOTIFY_SOCKET
  const tell = (state: () => string) =>
    address === undefined || address === ""
      ? Effect.void
      : Effect.ignore(Effect.try({ try: () => notifyManager(address, state()), catch: () => "not sent" as const }))
  const period = watchdogPeriod(variables, pid)
  return {
    ready: tell(() => "READY=1"),
    stopping: tell(() => "STOPPING=1"),
    reloading: tell(() => `RELOADING=1\nMONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`),
    status: (line) => tell(() => `STATUS=${controlsReplaced(line, " ")}`),
    watchdog: (alive) =>
      period === undefined
        ? Effect.void
        : alive.pipe(
            Effect.andThen(tell(() => "WATCHDOG=1")),
            // No notification: systemd restarts us if this lasts.
            Effect.ignore,
            Effect.andThen(Effect.sleep(Duration.millis(Duration.toMillis(period) / 2))),
            Effect.forever
          )
  }
}

const watchdogPeriod = (variables: Readonly<NodeJS.ProcessEnv>, pid: number): Duration.Duration | undefined => {
  const microseconds = Number(variables.WATCHDOG_USEC ?? "")
  const isOurs = variables.WATCHDOG_PID === undefined || Number(variables.WATCHDOG_PID) === pid
  return isOurs && Number.isFinite(microseconds) && microseconds > 0 ? Duration.millis(microseconds / 1000) : undefined
}
