/**
 * Asynchronous work of a supervisor: restarts, parking, the next attempt for a parked child.
 *
 * A job is interrupted and replaced by the next one that concerns any of its slots, so no two work on one slot.
 */
import { type Context, Effect, Fiber } from "effect"

interface Job<Slot> {
  readonly slots: ReadonlySet<Slot>
  fiber: Fiber.Fiber<void> | undefined
}

export class Jobs<Slot> {
  private readonly context: Context.Context<never>
  private readonly running = new Set<Job<Slot>>()

  constructor(context: Context.Context<never>) {
    this.context = context
  }

  /** The jobs that concern any of these slots. */
  about(slots: ReadonlySet<Slot>): ReadonlyArray<Job<Slot>> {
    return [...this.running].filter((job) => [...job.slots].some((slot) => slots.has(slot)))
  }

  /** Runs after the jobs it replaces. `then`: with the result of the work, unless it was replaced itself. */
  start<A>(concerned: ReadonlyArray<Slot>, work: Effect.Effect<A>, then: (result: A) => void): void {
    const slots = new Set(concerned)
    const overtaken = this.about(slots)
    for (const job of overtaken) this.running.delete(job)
    const job: Job<Slot> = { slots, fiber: undefined }
    this.running.add(job)
    const whole = Effect.gen({ self: this }, function* () {
      yield* Effect.yieldNow
      yield* interrupt(overtaken)
      const result = yield* work
      if (this.running.delete(job)) then(result)
    })
    job.fiber = this.fork(Effect.uninterruptible(whole))
  }

  interruptAll(): Effect.Effect<void> {
    return interrupt([...this.running])
  }

  fork<A>(effect: Effect.Effect<A>): Fiber.Fiber<A> {
    return Effect.runForkWith(this.context)(effect)
  }
}

const interrupt = (jobs: ReadonlyArray<Job<unknown>>): Effect.Effect<void> =>
  Fiber.interruptAll(jobs.flatMap((job) => job.fiber ?? []))
