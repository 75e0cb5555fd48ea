/** Publishes that wait for their PUBACK. A broker that answers pings but no publish is found by the oldest of them. */
import { Effect } from "effect"
import { monotonicNow } from "../../runtime/monotonic-time.ts"
import { ShortLivedSet } from "../../runtime/short-lived.ts"

interface Awaited {
  readonly since: number
}

export class AwaitedAcks {
  /** In order of sending. */
  private readonly awaited = new ShortLivedSet<Awaited>()

  during<A, E>(publish: Effect.Effect<A, E>): Effect.Effect<A, E> {
    return Effect.flatMap(monotonicNow, (since) => {
      const entry = { since }
      this.awaited.add(entry)
      return Effect.ensuring(
        publish,
        Effect.sync(() => void this.awaited.delete(entry))
      )
    })
  }

  /** Answers when one has waited this long, and looks four times in that time. */
  overdue(limitMs: number): Effect.Effect<void> {
    const look = Effect.map(monotonicNow, (now) => {
      const [oldest] = this.awaited
      return oldest !== undefined && now - oldest.since >= limitMs
    })
    const pause = Effect.sleep(limitMs / 4)
    return Effect.asVoid(Effect.repeat(Effect.andThen(pause, look), { until: (isOverdue) => isOverdue }))
  }
}
