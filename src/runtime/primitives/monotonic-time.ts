/**
 * Monotonic time, for every duration: limits, pauses, ages, measurements. A clock step (NTP, RTC) does not move it.
 *
 * Only differences between two readings of the same process mean anything. For dates: `wall-time.ts`; for pauses
 * that outlive the process: `platform/process/boot-time.ts`. Source: clock_gettime(2), CLOCK_MONOTONIC.
 */
import { Clock, Effect } from "effect"

/** Whole milliseconds, as timers have them. The time the system is suspended does not count. */
export const monotonicMs = (clock: Clock.Clock): number => Math.floor(preciseMs(clock))

/** Milliseconds with fractions, for what is measured; not for limits and pauses, which are kept by timers. */
export const preciseMs = (clock: Clock.Clock): number => Number(monotonicNanos(clock)) / 1e6

export const monotonicNanos = (clock: Clock.Clock): bigint => clock.monotonicTimeNanosUnsafe()

/** In milliseconds, of the clock the fiber runs with. */
export const monotonicNow: Effect.Effect<number> = Effect.map(Clock.Clock, monotonicMs)

export const preciseNow: Effect.Effect<number> = Effect.map(Clock.Clock, preciseMs)
