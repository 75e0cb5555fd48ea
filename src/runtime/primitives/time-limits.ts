/**
 * Time limits of many pieces of work that end in time as a rule, watched by one sleeper.
 *
 * For what is no ask: a fiber or a timer for each would cost more than most of that work. A clock step changes
 * none of them, nor does the time a computer sleeps.
 */
import { Clock, type Context, Effect, type Scope } from "effect"
import { Deadlines, type DeadlinesOwner } from "./deadlines.ts"
import { monotonicMs } from "./monotonic-time.ts"

interface Limit {
  readonly dueAt: number
  readonly onLate: () => void
}

export interface RunningLimit {
  readonly cancel: () => void
}

/** With the clock and the services of whoever asks for it; it leaves no timer behind the scope. */
export const timeLimits: Effect.Effect<TimeLimits, never, Scope.Scope> = Effect.gen(function* () {
  const times = new TimeLimits(yield* Clock.Clock, yield* Effect.context<never>())
  yield* Effect.addFinalizer(() => Effect.sync(() => times.rest()))
  return times
})

export class TimeLimits implements DeadlinesOwner<Limit> {
  private readonly clock: Clock.Clock
  readonly context: Context.Context<never>
  private readonly running = new Deadlines<Limit>(this)

  constructor(clock: Clock.Clock, context: Context.Context<never>) {
    this.clock = clock
    this.context = context
  }

  /** Calls back when the time has passed and nobody has cancelled. */
  start(ms: number, onLate: () => void): RunningLimit {
    const limit = { dueAt: this.now() + ms, onLate }
    this.running.add(limit)
    return { cancel: () => this.running.remove(limit) }
  }

  /** For what is to be told when a limit has passed. */
  run(effect: Effect.Effect<void>): void {
    Effect.runForkWith(this.context)(effect)
  }

  /** In milliseconds, of the monotonic clock. */
  now(): number {
    return monotonicMs(this.clock)
  }

  /** Ends the sleeper if nothing runs. */
  rest(): void {
    this.running.rest()
  }

  dueAt({ dueAt }: Limit): number {
    return dueAt
  }

  expire({ onLate }: Limit): void {
    onLate()
  }
}
