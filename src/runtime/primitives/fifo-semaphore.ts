/**
 * A first come, first served semaphore.
 *
 * Effect's Semaphore scans all waiters at each release; with thousands of them that costs more than their work.
 */
import { Effect } from "effect"
import { ShortLivedSet } from "./short-lived.ts"

export class FifoSemaphore {
  private total: number
  private taken = 0
  private isAdmitting = false
  private readonly waiters = new ShortLivedSet<() => void>()

  constructor(total: number) {
    this.total = total
  }

  /** Calls `onAcquired` when a permit is free, possibly synchronously. Returns the cancellation, which has no effect afterwards. */
  acquire(onAcquired: () => void): () => void {
    if (this.taken < this.total) {
      this.taken += 1
      onAcquired()
      return () => {}
    }
    this.waiters.add(onAcquired)
    return () => void this.waiters.delete(onAcquired)
  }

  /** Returns a permit granted by `onAcquired`. */
  release(): void {
    this.taken -= 1
    this.admitNext()
  }

  /** With fewer than are taken, none is granted until enough were released. */
  resize(total: number): void {
    this.total = total
    this.admitNext()
  }

  /** Runs `work` with a permit. Interrupting it releases the permit, or the place among the waiters. */
  withPermit<A, E, R>(work: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.withFiber((fiber) => {
      let release = () => {}
      let isQueued = false
      const acquired = Effect.callback<void>((resume) => {
        const giveUp = this.acquire(() => {
          release = () => this.release()
          // Not in the releasing step: thousands of waiters would nest as many calls.
          if (isQueued) fiber.currentDispatcher.scheduleTask(() => resume(Effect.void), 0)
          else resume(Effect.void)
        })
        isQueued = true
        return Effect.sync(giveUp)
      })
      return Effect.ensuring(
        Effect.andThen(acquired, work),
        Effect.sync(() => release())
      )
    })
  }

  private admitNext(): void {
    // A waiter may release synchronously; loop instead of recursing, so a long queue cannot overflow the stack.
    if (this.isAdmitting) return
    this.isAdmitting = true
    try {
      while (this.taken < this.total) {
        const [next] = this.waiters
        if (next === undefined) return
        this.waiters.delete(next)
        this.taken += 1
        next()
      }
    } finally {
      this.isAdmitting = false
    }
  }
}
