/** How many bytes may be in flight to a broker, and how many publishes may leave in a second. */

interface ByteWindowSettings {
  readonly initialBytes: number
  readonly smallestBytes: number
  readonly largestBytes: number
  /** Acknowledgements that take longer show a queue, unless the broker itself has always been that slow. */
  readonly slowAckMs: number
}

export const byteWindowSettings: ByteWindowSettings = {
  initialBytes: 64 * 1024,
  smallestBytes: 4 * 1024,
  largestBytes: 8 * 1024 * 1024,
  slowAckMs: 4_000
}

/**
 * Bytes that were sent, and not acknowledged yet.
 *
 * The window follows the network path. It grows by what is acknowledged quickly, and shrinks when acknowledgements take so long
 * that a queue must have formed on the way: a modem of 100 kbit/s gets some seconds of messages, not the minutes that a
 * fixed window would put before every ping. What is in flight when a connection breaks is sent again.
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

  /** A message larger than the window goes alone. */
  hasRoomFor(bytes: number): boolean {
    return this.inFlight === 0 || this.inFlight + bytes <= this.bytes
  }

  sent(bytes: number): void {
    this.inFlight += bytes
  }

  /** Without an acknowledgement that says something about the network path. */
  release(bytes: number): void {
    this.inFlight -= bytes
  }

  /** The broker acknowledged what was sent at `sentAt`, in monotonic milliseconds as `now`; `isWanted`: more waits to be sent. */
  acknowledged(bytes: number, sentAt: number, now: number, isWanted: boolean): void {
    const age = Math.max(now - sentAt, 0)
    this.quickestMs = Math.min(this.quickestMs, age)
    const { smallestBytes, largestBytes, slowAckMs } = this.settings
    const longest = Math.max(slowAckMs, 3 * this.quickestMs)
    if (age > longest && sentAt >= this.shrunkAt) {
      // Of one round trip the first late acknowledgement decides: the others were sent into the same queue.
      this.bytes = Math.max(smallestBytes, Math.floor((Math.min(this.bytes, this.inFlight) * longest) / age / 1.5))
      this.shrunkAt = now
    } else if (age < longest / 2 && isWanted) this.bytes = Math.min(largestBytes, this.bytes + bytes)
    this.release(bytes)
  }
}

/**
 * Spreads publishes in time: never more than the rate in any one second, nine tenths of it in the long run.
 *
 * A tenth of a second's messages may leave at once; after that each waits its turn. Brokers that count in windows of a
 * second, and connections that deliver a little early or late, stay below the rate so.
 */
export class PublishPace {
  private readonly intervalMs: number
  private readonly burstMs: number
  /** When the next would be due if all were evenly spread. */
  private dueAt = Number.NEGATIVE_INFINITY

  /** `perSecond` 0: no limit. */
  constructor(perSecond: number) {
    this.intervalMs = perSecond === 0 ? 0 : perSecond < 10 ? 1_000 / perSecond : 1_000 / (perSecond * 0.9)
    this.burstMs = this.intervalMs * (Math.max(1, Math.floor(perSecond / 10)) - 1)
  }

  /** Whole milliseconds until the next may leave. */
  waitMs(now: number): number {
    const waitMs = this.intervalMs === 0 ? 0 : this.dueAt - this.burstMs - now
    // A rounding error of a double is no reason for a timer.
    return waitMs > 0.001 ? Math.ceil(waitMs) : 0
  }

  sent(now: number): void {
    this.dueAt = Math.max(this.dueAt, now) + this.intervalMs
  }
}
