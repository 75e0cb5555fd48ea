/**
 * Finds a broker that answers pings and acknowledges no publish: while publishes
 * wait, not one PUBACK has come for the limit. A slow network path that still brings some is not the cause.
 */
import { Clock, Effect } from "effect"
import { monotonicMs } from "../../../runtime/primitives/monotonic-time.ts"
import { ShortLivedSet } from "../../../runtime/primitives/short-lived.ts"

interface Awaited {
  readonly since: number
  readonly largestBytes: number
}

export class PubackWatchdog {
  /** In order of sending. */
  private readonly awaited = new ShortLivedSet<Awaited>()
  private progressAt = 0

  get isWaiting(): boolean {
    return this.awaited.size > 0
  }

  /** `publish` gets what to call at each acknowledgement; `largestBytes`: of its largest message. */
  during<A, E>(
    largestBytes: number,
    publish: (onAcknowledged: () => void) => Effect.Effect<A, E>
  ): Effect.Effect<A, E> {
    return Effect.flatMap(Clock.Clock, (clock) => {
      const entry = { since: monotonicMs(clock), largestBytes }
      const onAcknowledged = () => {
        this.progressAt = monotonicMs(clock)
      }
      this.awaited.add(entry)
      return Effect.ensuring(
        publish(onAcknowledged),
        Effect.sync(() => {
          onAcknowledged()
          this.awaited.delete(entry)
        })
      )
    })
  }

  /** Answers when none has come for this long, and looks four times in that time. */
  expired(limitMs: number): Effect.Effect<void> {
    const look = Effect.map(Clock.Clock, (clock) => {
      const [oldest] = this.awaited
      if (oldest === undefined) return false
      const allowedMs = limitMs + oldest.largestBytes / slowestBytesPerMs
      return monotonicMs(clock) - Math.max(oldest.since, this.progressAt) >= allowedMs
    })
    const pause = Effect.sleep(limitMs / 4)
    return Effect.asVoid(Effect.repeat(Effect.andThen(pause, look), { until: (isExpired) => isExpired }))
  }
}

/** 16 kbit/s: one large message alone may take minutes on such a path. */
const slowestBytesPerMs = 2
