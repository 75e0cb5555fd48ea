/**
 * How long a link waits before it tries again.
 *
 * Waits double from the initial to the maximum interval, each somewhere between half and all of it, so that a
 * thousand devices do not come back in the same second. They never get shorter from one failure to the next, and
 * start over when a connection has held for the reset window.
 */
import type { Cure } from "../../messages/mqtt-cure.ts"

export interface BackOffSettings {
  readonly initialMs: number
  readonly maximumMs: number
  readonly resetAfterMs: number
}

export interface BackOff {
  /** Failures in a row, those that wait for a token left out. */
  readonly failures: number
  /** No wait is shorter than the one before. */
  readonly atLeastMs: number
  readonly waitMs: number
}

export const noFailures: BackOff = { failures: 0, atLeastMs: 0, waitMs: 0 }

export interface Failed {
  /** How long the connection had been up; 0 when it never was. */
  readonly heldMs: number
  readonly cure: Cure
}

/**
 * What only a person can cure waits a minute at least, with the default of 5 s. A token that is plugged in again is found
 * by who asks, and asking costs the cloud nothing: those waits stay short. `random`: from 0 up to 1.
 */
export const afterFailure = (settings: BackOffSettings, before: BackOff, failed: Failed, random: number): BackOff => {
  const jitter = 0.5 + random / 2
  if (failed.cure === "token") {
    const waitMs = Math.round(Math.min(settings.initialMs, settings.maximumMs, longestForTokenMs) * jitter)
    return { ...before, waitMs }
  }
  const { failures, atLeastMs } = failed.heldMs >= settings.resetAfterMs ? noFailures : before
  const doubled = settings.initialMs * 2 ** Math.min(failures, mostDoublings)
  const wanted = failed.cure === "person" ? Math.max(doubled, settings.initialMs * personFactor) : doubled
  const waitMs = Math.max(atLeastMs, Math.round(Math.min(wanted, settings.maximumMs) * jitter))
  return { failures: failures + 1, atLeastMs: waitMs, waitMs }
}

/** 2 ** 40 ms are 35 years; more would only lose precision. */
const mostDoublings = 40

const personFactor = 12

/** A token's lane stops looking for it a minute after the last request. */
const longestForTokenMs = 30_000
