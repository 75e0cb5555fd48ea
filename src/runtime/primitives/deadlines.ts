/**
 * Wakes when the earliest of many deadlines passes: one sleeping fiber for all messages of an actor.
 *
 * A fiber per ask would cost more than the ask. The sleeper is left alone when asks are answered in time, and
 * ends when it wakes and finds nothing to wait for, or when the actor has stopped.
 */
import { type Context, Effect, type Fiber } from "effect"
import { ShortLivedSet } from "./short-lived.ts"

export interface DeadlinesOwner<A> {
  readonly context: Context.Context<never>
  /** In milliseconds. */
  readonly now: () => number
  /** When `now` will say so; the same whenever it is asked for an item. */
  readonly dueAt: (item: A) => number
  readonly expire: (item: A) => void
}

export class Deadlines<A> {
  /** Made with the first item: most actors of a large tree are never asked. */
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

  /** Ends the sleeper if nobody needs it, so that no timer outlives the actor. */
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
