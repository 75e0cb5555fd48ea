/**
 * How long a link waits before it tries again.
 *
 * Waits double from the initial to the maximum interval, each somewhere between half and all of it, so that a
 * thousand devices do not come back in the same second. They never get shorter from one failure to the next, and
 * start over when a connection has held for the reset window.
 */
export interface BackOffSettings {
  readonly initialMs: number
  readonly maximumMs: number
  readonly resetAfterMs: number
}

export interface BackOff {
  /** Failures in a row. */
  readonly failures: number
  readonly lastWaitMs: number
}

export const noFailures: BackOff = { failures: 0, lastWaitMs: 0 }

export interface Failed {
  /** How long the connection had been up; 0 when it never was. */
  readonly heldMs: number
  /** Trying again soon cannot help: a person has to do something. */
  readonly needsPerson: boolean
}

/** `random`: from 0 up to 1. The wait is `lastWaitMs` of the answer. */
export const afterFailure = (settings: BackOffSettings, before: BackOff, failed: Failed, random: number): BackOff => {
  const { failures, lastWaitMs } = failed.heldMs >= settings.resetAfterMs ? noFailures : before
  const doubled = settings.initialMs * 2 ** Math.min(failures, mostDoublings)
  const wanted = failed.needsPerson ? Math.max(doubled, settings.initialMs * personFactor) : doubled
  const ceiling = Math.min(wanted, settings.maximumMs)
  const jittered = ceiling * (0.5 + random / 2)
  return { failures: failures + 1, lastWaitMs: Math.max(lastWaitMs, Math.round(jittered)) }
}

/** 2 ** 40 ms are 35 years; more would only lose precision. */
const mostDoublings = 40

/** With the default of 5 s: a minute. */
const personFactor = 12
