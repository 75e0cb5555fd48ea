/** Monotonic time where no fiber runs. Without Effect, which a token host does not load. */

/** Milliseconds with fractions. */
export const processMonotonicMs = (): number => performance.now()

/** Milliseconds, rounded to whole microseconds: as they are shown. */
export const microseconds = (ms: number): number => Math.round(ms * 1000) / 1000
