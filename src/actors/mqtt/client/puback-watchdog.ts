/**
 * Publishes that wait for their PUBACK. A broker that answers pings but no publish is found by this: while publishes
 * wait, not one acknowledgement has come for the limit. A road that is slow, and still brings some, is not overdue.
 */
import { Clock, Effect } from "effect"
import { monotonicMs } from "../../../runtime/primitives/monotonic-time.ts"
import { ShortLivedSet } from "../../../runtime/primitives/short-lived.ts"

interface Awaited {
  readonly since: number
  readonly largestBytes: number
}

export class AwaitedAcks {
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
  overdue(limitMs: number): Effect.Effect<void> {
    const look = Effect.map(Clock.Clock, (clock) => {
      const [oldest] = this.awaited
      if (oldest === undefined) return false
      const allowedMs = limitMs + oldest.largestBytes / slowestBytesPerMs
      return monotonicMs(clock) - Math.max(oldest.since, this.progressAt) >= allowedMs
    })
    const pause = Effect.sleep(limitMs / 4)
    return Effect.asVoid(Effect.repeat(Effect.andThen(pause, look), { until: (isOverdue) => isOverdue }))
  }
}

/** 16 kbit/s: one large message alone may take minutes on such a road. */
const slowestBytesPerMs = 2
