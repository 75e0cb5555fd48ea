/**
 * Wall time, for dates only: certificates, log stamps, files, events. A clock step moves it in either direction,
 * so it never measures a duration.
 */
import { Clock, Effect } from "effect"
import { RuntimeClock } from "./runtime-clock.ts"

/** Milliseconds since 1970. */
export const wallMs = (clock: Clock.Clock): number =>
  clock instanceof RuntimeClock ? clock.wallMs() : clock.currentTimeMillisUnsafe()

/** Nanoseconds since 1970, placed between the milliseconds of the system's clock by the monotonic one. */
export const wallNanos = (clock: Clock.Clock): bigint =>
  clock instanceof RuntimeClock ? clock.wallNanos() : clock.currentTimeNanosUnsafe()

/** As Effect dates the spans that it makes itself: a clock step does not move it. */
export const effectDateNanos = (clock: Clock.Clock): bigint => clock.currentTimeNanosUnsafe()

/** Milliseconds, of the clock the fiber runs with. */
export const wallNow: Effect.Effect<number> = Effect.map(Clock.Clock, wallMs)

export const dateNow: Effect.Effect<Date> = Effect.map(wallNow, (ms) => new Date(ms))

/** The date in so many milliseconds, for display. */
export const dateIn = (ms: number): Effect.Effect<Date> => Effect.map(wallNow, (now) => new Date(now + ms))

/** Outside of fibers. */
export const processDate = (): Date => new Date()
