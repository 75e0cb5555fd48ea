/** Limits of the bytes in flight to a broker, and of the publishes per second. */

interface ByteWindowSettings {
  readonly initialBytes: number
  readonly smallestBytes: number
  readonly largestBytes: number
  /** Slower acknowledgements indicate a queue, unless the broker itself has always been that slow. */
  readonly slowAckMs: number
}

export const byteWindowSettings: ByteWindowSettings = {
  initialBytes: 64 * 1024,
  smallestBytes: 4 * 1024,
  largestBytes: 8 * 1024 * 1024,
  slowAckMs: 4_000
}

/**
 * Window for bytes that were sent, and not acknowledged yet.
 *
 * It adapts to the network path: grows with quick acknowledgements, and shrinks when they take so long that a queue must
 * have formed: a modem of 100 kbit/s gets some seconds of messages, not the minutes that a fixed window would queue before
 * every ping. Messages in flight when a connection breaks are sent again.
 */
export class ByteWindow {
  bytes: number
  inFlight = 0
  private readonly settings: ByteWindowSettings
  /** The quickest acknowledgement so far. */
  private quickestMs = Number.POSITIVE_INFINITY
  private shrunkAt = Number.NEGATIVE_INFINITY

  constructor(settings: ByteWindowSettings) {
    this.settings = settings
    this.bytes = settings.initialBytes
  }

  /** A message larger than the window is sent alone. */
  hasRoomFor(bytes: number): boolean {
    return this.inFlight === 0 || this.inFlight + bytes <= this.bytes
  }

  sent(bytes: number): void {
    this.inFlight += bytes
  }

  /** For messages without an acknowledgement that measures the path. */
  release(bytes: number): void {
    this.inFlight -= bytes
  }

  /** The broker acknowledged bytes sent at `sentAt`, in monotonic milliseconds as `now`; `isWanted`: more wait to be sent. */
  acknowledged(bytes: number, sentAt: number, now: number, isWanted: boolean): void {
    const age = Math.max(now - sentAt, 0)
    this.quickestMs = Math.min(this.quickestMs, age)
    const { smallestBytes, largestBytes, slowAckMs } = this.settings
    const longest = Math.max(slowAckMs, 3 * this.quickestMs)
    if (age > longest && sentAt >= this.shrunkAt) {
      // Of one round trip only the first late acknowledgement counts: the others were in the same queue.
      this.bytes = Math.max(smallestBytes, Math.floor((Math.min(this.bytes, this.inFlight) * longest) / age / 1.5))
      this.shrunkAt = now
    } else if (age < longest / 2 && isWanted) this.bytes = Math.min(largestBytes, this.bytes + bytes)
    this.release(bytes)
  }
}

/**
 * Spreads publishes over time: never more than the rate in any one second, nine tenths of it in the long run.
 *
 * A tenth of a second's messages may be sent at once, then each waits. So the rate is kept for brokers that count in
 * windows of a second, and for connections with jitter.
 */
export class PublishPace {
  private readonly intervalMs: number
  private readonly burstMs: number
  /** When the next would be due if all were evenly spread. */
  private dueAt = Number.NEGATIVE_INFINITY

  /** `perSecond` 0: unlimited. */
  constructor(perSecond: number) {
    this.intervalMs = perSecond === 0 ? 0 : perSecond < 10 ? 1_000 / perSecond : 1_000 / (perSecond * 0.9)
    this.burstMs = this.intervalMs * (Math.max(1, Math.floor(perSecond / 10)) - 1)
  }

  /** Whole milliseconds until the next may be sent. */
  waitMs(now: number): number {
    const waitMs = this.intervalMs === 0 ? 0 : this.dueAt - this.burstMs - now
    // Ignores the rounding errors of doubles.
    return waitMs > 0.001 ? Math.ceil(waitMs) : 0
  }

  sent(now: number): void {
    this.dueAt = Math.max(this.dueAt, now) + this.intervalMs
  }
}
