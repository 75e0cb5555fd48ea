/**
 * Monotonic time, for every duration: limits, delays, ages, measurements. A clock step (NTP, RTC) does not affect it.
 *
 * Only differences between two readings of the same process are meaningful. For dates: `wall-time.ts`; for delays
 * that outlive the process: `platform/process/boot-time.ts`. Source: clock_gettime(2), CLOCK_MONOTONIC.
 */
import { Clock, Effect } from "effect"

/** Whole milliseconds, as timers have them. The time the system is suspended does not count. */
export const monotonicMs = (clock: Clock.Clock): number => Math.floor(preciseMs(clock))

/** Milliseconds with fractions, for measurements; not for limits and delays, which timers implement. */
export const preciseMs = (clock: Clock.Clock): number => Number(monotonicNanos(clock)) / 1e6

export const monotonicNanos = (clock: Clock.Clock): bigint => clock.monotonicTimeNanosUnsafe()

/** In milliseconds, of the clock the fiber runs with. */
export const monotonicNow: Effect.Effect<number> = Effect.map(Clock.Clock, monotonicMs)

export const preciseNow: Effect.Effect<number> = Effect.map(Clock.Clock, preciseMs)
