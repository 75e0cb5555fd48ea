/**
 * The runtime's one timer: wakes when the earliest of many deadlines passes. One sleeping fiber for all asks of an
 * actor, one for all its handlers at work, one for all calls of a token host.
 *
 * Not `Effect.timeout`: a fiber each would cost more than most of that work. The sleeper is not touched
 * when work ends in time, and ends when it wakes without pending deadlines, or when its owner has stopped. A clock
 * step changes no deadline, nor does suspend.
 */
import { Clock, type Context, Effect, type Fiber, type Scope } from "effect"
import { monotonicMs } from "./monotonic-time.ts"
import { ShortLivedSet } from "./short-lived.ts"

export interface DeadlinesOwner<A> {
  readonly context: Context.Context<never>
  /** In milliseconds. */
  readonly now: () => number
  /** Value of `now` at the deadline; constant for an item. */
  readonly dueAt: (item: A) => number
  readonly expire: (item: A) => void
}

export class Deadlines<A> {
  /** Created with the first item: most actors of a large tree never get an ask. */
  private pending: ShortLivedSet<A> | undefined
  private readonly owner: DeadlinesOwner<A>
  private sleeper: Fiber.Fiber<void> | undefined
  private wakesAt = Number.POSITIVE_INFINITY

  constructor(owner: DeadlinesOwner<A>) {
    this.owner = owner
  }

  add(item: A): void {
    const dueAt = this.owner.dueAt(item)
    if (dueAt === Number.POSITIVE_INFINITY) return
    this.pending ??= new ShortLivedSet()
    this.pending.add(item)
    if (dueAt < this.wakesAt) this.sleepUntil(dueAt)
  }

  remove(item: A): void {
    this.pending?.delete(item)
  }

  /** Ends the sleeper if it is not needed, so that no timer outlives the actor. */
  rest(): void {
    if (this.pending !== undefined && this.pending.size > 0) return
    this.sleeper?.interruptUnsafe()
    this.sleeper = undefined
    this.wakesAt = Number.POSITIVE_INFINITY
  }

  private sleepUntil(deadline: number): void {
    this.sleeper?.interruptUnsafe()
    this.wakesAt = deadline
    const pause = Math.min(deadline - this.owner.now(), LONGEST_PAUSE_MS)
    const wakeUp = Effect.sync(() => this.expire())
    this.sleeper = Effect.runForkWith(this.owner.context)(Effect.andThen(Effect.sleep(pause), wakeUp))
  }

  private expire(): void {
    this.sleeper = undefined
    this.wakesAt = Number.POSITIVE_INFINITY
    const now = this.owner.now()
    let earliest = Number.POSITIVE_INFINITY
    for (const item of [...(this.pending ?? [])]) {
      const dueAt = this.owner.dueAt(item)
      if (dueAt <= now) {
        this.remove(item)
        this.owner.expire(item)
      } else if (dueAt < earliest) earliest = dueAt
    }
    if (earliest < this.wakesAt) this.sleepUntil(earliest)
  }
}

/** Timers of Node hold 31 bits of milliseconds; longer waits are slept in parts. */
const LONGEST_PAUSE_MS = 24 * 60 * 60 * 1000

export interface RunningLimit {
  readonly cancel: () => void
}

/** Time limits of work other than asks. */
export interface TimeLimits {
  /** Calls back when so many milliseconds have passed and the limit was not cancelled. */
  readonly start: (ms: number, onLate: () => void) => RunningLimit
  /** Milliseconds, of the clock that the limits run on. */
  readonly now: () => number
  /** Called when a limit has passed. */
  readonly run: (effect: Effect.Effect<void>) => void
}

/** With the clock and the services of its creator; leaves no timer after the scope. */
export const timeLimits: Effect.Effect<TimeLimits, never, Scope.Scope> = Effect.gen(function* () {
  const clock = yield* Clock.Clock
  const context = yield* Effect.context<never>()
  const now = () => monotonicMs(clock)
  const running = new Deadlines<{ readonly dueAt: number; readonly onLate: () => void }>({
    context,
    now,
    dueAt: ({ dueAt }) => dueAt,
    expire: ({ onLate }) => onLate()
  })
  yield* Effect.addFinalizer(() => Effect.sync(() => running.rest()))
  return {
    start: (ms, onLate) => {
      const limit = { dueAt: now() + ms, onLate }
      running.add(limit)
      return { cancel: () => running.remove(limit) }
    },
    now,
    run: (effect) => void Effect.runForkWith(context)(effect)
  }
})
