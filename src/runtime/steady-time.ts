/** Time for limits and measurements: a clock that is put right, as a device's is after its start, does not move it. */
import type { Clock } from "effect"

/** Milliseconds since some moment of the past. The time a computer sleeps does not count. */
export const steadyMs = (clock: Clock.Clock): number => Math.floor(Number(clock.monotonicTimeNanosUnsafe()) / 1e6)
