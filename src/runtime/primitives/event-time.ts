/**
 * Timestamp of an event that stays correct when the clock is set afterwards.
 *
 * A device without a battery for its clock starts with an old date, until NTP sets it: an event before that would
 * otherwise appear to be days ago.
 */
import type { Clock } from "effect"
import { preciseMs } from "./monotonic-time.ts"
import { bootMs } from "./runtime-clock.ts"
import { wallMs } from "./wall-time.ts"

export interface EventTime {
  /** Milliseconds since 1970, as the clock was set then. */
  readonly wallMs: number
  readonly monotonicMs: number
}

/** The present, to date events. */
export interface Present extends EventTime {
  /** How long the system has been suspended since its boot. */
  readonly suspendedMs: number
}

export const eventTime = (clock: Clock.Clock): EventTime => ({ wallMs: wallMs(clock), monotonicMs: preciseMs(clock) })

export const present = (clock: Clock.Clock): Present => {
  const time = eventTime(clock)
  return { ...time, suspendedMs: Math.max(0, bootMs(clock) - time.monotonicMs) }
}

/** The event that was `ms` earlier. */
export const earlier = (time: EventTime, ms: number): EventTime => ({
  wallMs: time.wallMs - ms,
  monotonicMs: time.monotonicMs - ms
})

/**
 * Milliseconds since 1970, by the clock as it is set now: the same at each call until the clock is set.
 *
 * The monotonic clock stands still during a suspend, which therefore looks like a step of the same length.
 */
export const dateOf = (event: EventTime, now: Present): number => {
  const stepMs = now.wallMs - event.wallMs - (now.monotonicMs - event.monotonicMs)
  const isStep = stepMs < -leastStepMs || stepMs > now.suspendedMs + leastStepMs
  return Math.round(event.wallMs + (isStep ? Math.round(stepMs / leastStepMs) * leastStepMs : 0))
}

/** Smaller steps are ignored. */
const leastStepMs = 1_000
