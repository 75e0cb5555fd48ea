/**
 * What this process waits for without an event that shows it: a signature that waits for a touch, an answer of the signing
 * service. Meanwhile it is not idle (idle-memory.ts).
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

/** Those of the process. */
export const CurrentBusyChecks = Context.Reference<BusyChecks>("tedge/BusyChecks", {
  defaultValue: () => new BusyChecks()
})

/** Busy whenever `check` says so, until the scope closes. */
export const busyWhile = (check: () => boolean): Effect.Effect<void, never, Scope.Scope> =>
  Effect.flatMap(CurrentBusyChecks, (checks) => checks.watch(check))
