/**
 * How many bytes may be in flight to a broker: sent, and not acknowledged yet.
 *
 * The window follows the network path. It grows by what is acknowledged quickly, and shrinks when acknowledgements take so long
 * that a queue must have formed on the way: a modem of 100 kbit/s gets some seconds of messages, not the minutes that a
 * fixed window would put before every ping. What is in flight when a connection breaks is sent again.
 */
import { ShortLivedSet } from "../../../runtime/primitives/short-lived.ts"

interface WindowSettings {
  readonly initialBytes: number
  readonly smallestBytes: number
  readonly largestBytes: number
  /** Acknowledgements that take longer show a queue, unless the broker itself has always been that slow. */
  readonly slowAckMs: number
}

export const inFlightSettings: WindowSettings = {
  initialBytes: 64 * 1024,
  smallestBytes: 4 * 1024,
  largestBytes: 8 * 1024 * 1024,
  slowAckMs: 4_000
}

interface Waiting {
  readonly bytes: number
  readonly go: () => void
}

export class InFlightWindow {
  private readonly settings: WindowSettings
  private readonly now: () => number
  private readonly waiters = new ShortLivedSet<Waiting>()
  private window: number
  private taken = 0
  private isAdmitting = false
  /** The quickest acknowledgement so far. */
  private quickestMs = Number.POSITIVE_INFINITY
  private shrunkAt = Number.NEGATIVE_INFINITY

  constructor(settings: WindowSettings, now: () => number) {
    this.settings = settings
    this.now = now
    this.window = settings.initialBytes
  }

  get bytes(): number {
    return this.window
  }

  get inFlight(): number {
    return this.taken
  }

  /** Calls `go` when there is room, in order; a message larger than the window goes alone. Answers how to give up. */
  acquire(bytes: number, go: () => void): () => void {
    const waiting = { bytes, go }
    this.waiters.add(waiting)
    this.admitNext()
    return () => {
      if (this.waiters.delete(waiting)) this.admitNext()
    }
  }

  /** Released without an acknowledgement that says something about the network path. */
  release(bytes: number): void {
    this.taken -= bytes
    this.admitNext()
  }

  /** The broker acknowledged what was sent at `sentAt`. */
  acknowledged(bytes: number, sentAt: number): void {
    const age = Math.max(this.now() - sentAt, 0)
    this.quickestMs = Math.min(this.quickestMs, age)
    const { smallestBytes, largestBytes, slowAckMs } = this.settings
    const longest = Math.max(slowAckMs, 3 * this.quickestMs)
    if (age > longest && sentAt >= this.shrunkAt) {
      // Of one round trip the first late acknowledgement decides: the others were sent into the same queue.
      this.window = Math.max(smallestBytes, Math.floor((Math.min(this.window, this.taken) * longest) / age / 1.5))
      this.shrunkAt = this.now()
    } else if (age < longest / 2 && this.waiters.size > 0) this.window = Math.min(largestBytes, this.window + bytes)
    this.release(bytes)
  }

  private admitNext(): void {
    // `go` may release synchronously; loop instead of recursing.
    if (this.isAdmitting) return
    this.isAdmitting = true
    try {
      for (;;) {
        const [next] = this.waiters
        if (next === undefined || (this.taken > 0 && this.taken + next.bytes > this.window)) return
        this.waiters.delete(next)
        this.taken += next.bytes
        next.go()
      }
    } finally {
      this.isAdmitting = false
    }
  }
}
