/**
 * Spreads publishes in time: never more than the rate in any one second, nine tenths of it in the long run.
 *
 * A tenth of a second's messages may leave at once; after that each waits its turn. Brokers that count in windows of a
 * second, and connections that deliver a little early or late, stay below the rate so.
 */
import { ShortLivedSet } from "../../../runtime/primitives/short-lived.ts"

interface Waiting {
  readonly go: () => void
}

export interface PaceClock {
  /** Monotonic milliseconds. */
  readonly now: () => number
  readonly after: (ms: number, call: () => void) => void
}

export class PublishPace {
  private readonly clock: PaceClock
  private readonly intervalMs: number
  private readonly burstMs: number
  private readonly waiters = new ShortLivedSet<Waiting>()
  /** When the next would be due if all were evenly spread. */
  private dueAt = Number.NEGATIVE_INFINITY
  private isPending = false

  /** `perSecond` 0: no limit. */
  constructor(perSecond: number, clock: PaceClock) {
    this.clock = clock
    this.intervalMs = perSecond === 0 ? 0 : perSecond < 10 ? 1_000 / perSecond : 1_000 / (perSecond * 0.9)
    this.burstMs = this.intervalMs * (Math.max(1, Math.floor(perSecond / 10)) - 1)
  }

  /** Calls `go` in its turn; returns the cancellation: true if it had not been called. */
  schedule(go: () => void): () => boolean {
    if (this.intervalMs === 0) {
      go()
      return () => false
    }
    const waiting = { go }
    this.waiters.add(waiting)
    this.sendDue()
    return () => this.waiters.delete(waiting)
  }

  private sendDue(): void {
    if (this.isPending) return
    for (;;) {
      const [next] = this.waiters
      if (next === undefined) return
      const now = this.clock.now()
      const waitMs = this.dueAt - this.burstMs - now
      // A rounding error of a double is no reason for another timer.
      if (waitMs > 0.001) {
        this.isPending = true
        this.clock.after(Math.ceil(waitMs), () => {
          this.isPending = false
          this.sendDue()
        })
        return
      }
      this.waiters.delete(next)
      this.dueAt = Math.max(this.dueAt, now) + this.intervalMs
      next.go()
    }
  }
}

/** The timer keeps no process alive: a connection does. */
export const processPaceClock = (now: () => number): PaceClock => ({
  now,
  after: (ms, call) => void setTimeout(call, ms).unref()
})
