/**
 * Logs how much memory the process uses, every `run.log_memory_interval`.
 *
 * Source: thin-edge, `run.log_memory_interval`; the line is our own, of what Node knows.
 */
import { Effect, type Scope } from "effect"

/** As long as the scope lives; 0: never. */
export const logMemoryEvery = (intervalMs: number): Effect.Effect<void, never, Scope.Scope> =>
  intervalMs === 0
    ? Effect.void
    : Effect.suspend(() => Effect.logInfo(memoryText(process.memoryUsage()))).pipe(
        Effect.delay(intervalMs),
        Effect.forever,
        Effect.forkScoped,
        Effect.asVoid
      )

/** `external` has the array buffers, which hold the messages that wait. */
export const memoryText = ({ rss, heapUsed, heapTotal, external }: NodeJS.MemoryUsage): string =>
  `memory: ${mebibytes(rss)} in all; heap ${mebibytes(heapUsed)} of ${mebibytes(heapTotal)}, buffers ${mebibytes(external)}`

const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`
