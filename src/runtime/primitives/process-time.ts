/** Monotonic time outside of fibers. Does not load Effect, which a token host does without. */

/** Milliseconds with fractions. */
export const processMonotonicMs = (): number => performance.now()

/** Milliseconds, rounded to whole microseconds: for display. */
export const microseconds = (ms: number): number => Math.round(ms * 1000) / 1000
