/**
 * Pending work of this process without events on the loop: a signature that waits for a touch, a response of the signing
 * service. The process is then not idle (idle-memory.ts).
 */
import { Context, Effect, type Scope } from "effect"

export class BusyChecks {
  private readonly checks = new Set<() => boolean>()

  readonly isBusy = (): boolean => {
    for (const check of this.checks) if (check()) return true
    return false
  }

  /** Until the scope closes. */
  readonly watch = (check: () => boolean): Effect.Effect<void, never, Scope.Scope> =>
    Effect.acquireRelease(
      Effect.sync(() => void this.checks.add(check)),
      () => Effect.sync(() => this.checks.delete(check))
    )
}

/** Of the process. */
export const CurrentBusyChecks = Context.Reference<BusyChecks>("tedge/BusyChecks", {
  defaultValue: () => new BusyChecks()
})

/** Busy while `check` returns true, until the scope closes. */
export const busyWhile = (check: () => boolean): Effect.Effect<void, never, Scope.Scope> =>
  Effect.flatMap(CurrentBusyChecks, (checks) => checks.watch(check))
