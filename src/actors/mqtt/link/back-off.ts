/**
 * The back-off of a link.
 *
 * Delays double from the initial to the maximum interval. Each is randomised between half and all of it, independently of
 * earlier ones: devices that lost their cloud in the same second do not reconnect in the same second, even
 * after hours. A connection that was established and lost is retried within 30 s; doubling restarts when one
 * has lasted for the reset window.
 */
import type { RetryTrigger } from "../../../messages/retry-trigger.ts"

export interface BackOffSettings {
  readonly initialMs: number
  readonly maximumMs: number
  readonly resetAfterMs: number
}

interface BackOff {
  /** Consecutive failures, without those that wait for a token. */
  readonly failures: number
  readonly waitMs: number
}

export const noFailures: BackOff = { failures: 0, waitMs: 0 }

interface Failed {
  /** How long the connection was up; 0: never. */
  readonly heldMs: number
  readonly retryTrigger: RetryTrigger
}

/**
 * Failures that need a person wait at least a minute, with the default of 5 s. Failures of the token are retried
 * sooner: only a request detects that it is back, and costs the cloud nothing. `random`: from 0 up to 1.
 */
export const afterFailure = (settings: BackOffSettings, before: BackOff, failed: Failed, random: number): BackOff => {
  const { initialMs, maximumMs, resetAfterMs } = settings
  const jitter = 0.5 + random / 2
  const { heldMs, retryTrigger } = failed
  const wait = (wantedMs: number) => Math.round(Math.min(wantedMs, maximumMs) * jitter)
  if (retryTrigger === "token") return { ...before, waitMs: wait(Math.min(initialMs, longestForTokenMs)) }
  if (heldMs > 0) {
    const failures =
      heldMs >= resetAfterMs ? 0 : Math.min(before.failures, doublingsUpTo(longestAfterLossMs, initialMs))
    return {
      failures: failures + 1,
      // Never below the initial interval.
      waitMs: wait(Math.min(initialMs * 2 ** failures, Math.max(longestAfterLossMs, initialMs)))
    }
  }
  const doubled = initialMs * 2 ** Math.min(before.failures, mostDoublings)
  const wanted = retryTrigger === "person" ? Math.max(doubled, initialMs * personFactor) : doubled
  return { failures: before.failures + 1, waitMs: wait(wanted) }
}

/** How often the initial interval may double within the limit. */
const doublingsUpTo = (limitMs: number, initialMs: number): number =>
  Math.max(0, Math.ceil(Math.log2(limitMs / Math.max(initialMs, 1))))

/** 2 ** 40 ms are 35 years; more would only lose precision. */
const mostDoublings = 40

const personFactor = 12

/** A token actor stops polling a minute after the last request. */
const longestForTokenMs = 30_000

/** Network and cloud were reachable, so a short outage is likely. */
const longestAfterLossMs = 30_000
