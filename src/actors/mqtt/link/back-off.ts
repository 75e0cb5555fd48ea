/**
 * How long a link waits before it tries again.
 *
 * Waits double from the initial to the maximum interval. Each is drawn independently between half and all of it, however many
 * there were before: devices that lost their cloud in the same second do not come back in the same second, not even
 * after hours. A connection that was established and lost is tried again within 30 s; the doubling starts over when one
 * has held for the reset window.
 */
import type { RetryTrigger } from "../../../messages/retry-trigger.ts"

export interface BackOffSettings {
  readonly initialMs: number
  readonly maximumMs: number
  readonly resetAfterMs: number
}

interface BackOff {
  /** Failures in a row, those that wait for a token left out. */
  readonly failures: number
  readonly waitMs: number
}

export const noFailures: BackOff = { failures: 0, waitMs: 0 }

export interface Failed {
  /** How long the connection had been up; 0 when it never was. */
  readonly heldMs: number
  readonly retryTrigger: RetryTrigger
}

/**
 * What only a person can repair waits a minute at least, with the default of 5 s. A token that is plugged in again is found
 * by who asks, and asking costs the cloud nothing: those waits stay short. `random`: from 0 up to 1.
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
      waitMs: wait(Math.min(initialMs * 2 ** failures, atMost(longestAfterLossMs, initialMs)))
    }
  }
  const doubled = initialMs * 2 ** Math.min(before.failures, mostDoublings)
  const wanted = retryTrigger === "person" ? Math.max(doubled, initialMs * personFactor) : doubled
  return { failures: before.failures + 1, waitMs: wait(wanted) }
}

/** The initial interval is never undercut. */
const atMost = (limitMs: number, initialMs: number): number => Math.max(limitMs, initialMs)

/** How often the initial interval may double without passing the limit. */
const doublingsUpTo = (limitMs: number, initialMs: number): number =>
  Math.max(0, Math.ceil(Math.log2(limitMs / Math.max(initialMs, 1))))

/** 2 ** 40 ms are 35 years; more would only lose precision. */
const mostDoublings = 40

const personFactor = 12

/** A token actor stops looking for it a minute after the last request. */
const longestForTokenMs = 30_000

/** The network was there, and so was the cloud: what flapped is well again soon, or is not. */
const longestAfterLossMs = 30_000
