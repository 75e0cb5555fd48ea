/** A lock that many hold together, or one alone; first come, first served. */
import { Effect } from "effect"
import { ShortLivedSet } from "../../runtime/primitives/short-lived.ts"

interface Waiting {
  readonly isExclusive: boolean
  readonly go: () => void
}

export class SharedLock {
  private holders = 0
  private isExclusivelyHeld = false
  private readonly waiters = new ShortLivedSet<Waiting>()

  /** Interrupting it releases the lock, or the place among the waiters. */
  use<A, E, R>(isExclusive: boolean, work: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.suspend(() => {
      let isHeld = false
      const acquired = Effect.callback<void>((resume) => {
        const waiting: Waiting = {
          isExclusive,
          go: () => {
            isHeld = true
            resume(Effect.void)
          }
        }
        this.waiters.add(waiting)
        this.admitNext()
        return Effect.sync(() => {
          if (this.waiters.delete(waiting)) this.admitNext()
        })
      })
      const released = Effect.sync(() => {
        if (isHeld) this.release(isExclusive)
      })
      return Effect.ensuring(Effect.andThen(acquired, work), released)
    })
  }

  private release(isExclusive: boolean): void {
    this.holders -= 1
    if (isExclusive) this.isExclusivelyHeld = false
    this.admitNext()
  }

  private admitNext(): void {
    for (;;) {
      const [next] = this.waiters
      if (next === undefined || this.isExclusivelyHeld || (next.isExclusive && this.holders > 0)) return
      this.waiters.delete(next)
      this.holders += 1
      this.isExclusivelyHeld = next.isExclusive
      next.go()
    }
  }
}
