/** Time limits of many clients, watched by one sleeper: a timer for each would cost more than most requests. */
import { type Clock, type Context, Effect } from "effect"
import { Deadlines, type DeadlinesOwner } from "../../runtime/deadlines.ts"

interface Limit {
  readonly dueAt: number
  readonly onLate: () => void
}

export class TimeLimits implements DeadlinesOwner<Limit> {
  readonly clock: Clock.Clock
  readonly context: Context.Context<never>
  private readonly running = new Deadlines<Limit>(this)

  constructor(clock: Clock.Clock, context: Context.Context<never>) {
    this.clock = clock
    this.context = context
  }

  /** Calls back when the time has passed and nobody has cancelled. */
  start(ms: number, onLate: () => void): { readonly cancel: () => void } {
    const limit = { dueAt: this.now() + ms, onLate }
    this.running.add(limit)
    return { cancel: () => this.running.remove(limit) }
  }

  /** Milliseconds of Effect's clock. */
  now(): number {
    return this.clock.currentTimeMillisUnsafe()
  }

  /** No timer is left behind. */
  readonly rest = Effect.sync(() => this.running.rest())

  dueAt({ dueAt }: Limit): number {
    return dueAt
  }

  expire({ onLate }: Limit): void {
    onLate()
  }
}
