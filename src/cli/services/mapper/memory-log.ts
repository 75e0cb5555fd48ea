/**
 * Logs the memory use of the process every `run.log_memory_interval`.
 *
 * Source: thin-edge, `run.log_memory_interval`; the format of the line is ours.
 */
import { Effect, type Scope } from "effect"

/** Until the scope closes; 0: never. */
export const logMemoryEvery = (intervalMs: number): Effect.Effect<void, never, Scope.Scope> =>
  intervalMs === 0
    ? Effect.void
    : Effect.suspend(() => Effect.logInfo(memoryText(process.memoryUsage()))).pipe(
        Effect.delay(intervalMs),
        Effect.forever,
        Effect.forkScoped,
        Effect.asVoid
      )

/** `external` includes array buffers: the waiting messages. */
export const memoryText = ({ rss, heapUsed, heapTotal, external }: NodeJS.MemoryUsage): string =>
  `memory: ${mebibytes(rss)} in all; heap ${mebibytes(heapUsed)} of ${mebibytes(heapTotal)}, buffers ${mebibytes(external)}`

const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`
