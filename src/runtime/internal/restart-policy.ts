/** When a failed child is restarted, and when the limit is reached: pure arithmetic on milliseconds. */
import { Duration } from "effect"
import type { Backoff } from "../supervision.ts"

/** Counts restarts in a sliding window. */
export class Intensity {
  private readonly max: number
  private readonly withinMs: number
  private times: Array<number> = []

  constructor(intensity: { readonly max: number; readonly within: Duration.Input }) {
    this.max = intensity.max
    this.withinMs = toMs(intensity.within)
  }

  /** False if this restart exceeds the limit. */
  allows(now: number): boolean {
    this.times = this.times.filter((time) => now - time < this.withinMs)
    this.times.push(now)
    return this.times.length <= this.max
  }
}

/** Delay before restart number `attempt` (from 0); `chance` is between 0 and 1. */
export const pauseBefore = (attempt: number, backoff: Backoff, chance: number): number => {
  const maximum = toMs(backoff.maximum)
  const grown = Math.min(maximum, toMs(backoff.initial) * backoff.factor ** attempt)
  return Math.min(maximum, Math.max(0, grown * (1 + backoff.jitter * (2 * chance - 1))))
}

export const toMs = (duration: Duration.Input): number => Duration.toMillis(Duration.fromInputUnsafe(duration))
