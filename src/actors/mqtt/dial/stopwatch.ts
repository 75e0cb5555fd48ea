/** How long something takes that comes in parts, also while a part goes on. */
import { Effect } from "effect"
import { processMonotonicMs } from "../../../runtime/primitives/monotonic-time.ts"

export interface Stopwatch {
  /** One part; parts do not overlap. */
  readonly measure: <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E>
  /** Milliseconds so far; undefined: it never began. */
  readonly elapsed: () => number | undefined
  readonly isRunning: () => boolean
}

/** Not Effect's clock: it measures the world, and no behaviour depends on it. */
export const stopwatch = (): Stopwatch => {
  let startedAt: number | undefined
  let past: number | undefined
  const start = Effect.sync(() => {
    startedAt = processMonotonicMs()
  })
  const stop = Effect.sync(() => {
    past = elapsed()
    startedAt = undefined
  })
  const elapsed = () => (startedAt === undefined ? past : Math.round((past ?? 0) + processMonotonicMs() - startedAt))
  return {
    measure: (effect) => Effect.andThen(start, Effect.ensuring(effect, stop)),
    elapsed,
    isRunning: () => startedAt !== undefined
  }
}
