/** Monotonic time where no fiber runs. Without Effect, which a token host does not load. */

/** Milliseconds with fractions. */
export const processMonotonicMs = (): number => performance.now()
