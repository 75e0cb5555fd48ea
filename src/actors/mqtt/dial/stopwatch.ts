/** Durations of the parts of a connection attempt, readable while it runs. */
import { Effect, Exit } from "effect"
import type { Hop } from "../../../messages/status/snapshot.ts"
import { processMonotonicMs } from "../../../runtime/primitives/process-time.ts"

export interface Stopwatch {
  /** A part without the token. */
  readonly step: <A, E, R>(name: string, effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** A part that uses the token; these do not overlap. `tokenOf`: which one, from the outcome of the part. */
  readonly measure: <A, E>(
    name: string,
    effect: Effect.Effect<A, E>,
    tokenOf?: (exit: Exit.Exit<A, E>) => string | undefined
  ) => Effect.Effect<A, E>
  /** Time spent in the token so far, in milliseconds; undefined: not used. */
  readonly elapsed: () => number | undefined
  /** The token is in use. */
  readonly isRunning: () => boolean
  /** The completed parts, in the order of their start. */
  readonly hops: () => ReadonlyArray<MeasuredHop>
}

export interface MeasuredHop extends Hop {
  readonly isOk: boolean
  /** The label of the token, if known. */
  readonly token?: string
}

/** Not Effect's clock: it measures real time, and no behaviour depends on it. */
export const stopwatch = (): Stopwatch => {
  const begun = processMonotonicMs()
  const hops: Array<MeasuredHop> = []
  let startedAt: number | undefined
  let past: number | undefined
  const start = Effect.sync(() => {
    startedAt = processMonotonicMs()
  })
  const stop = Effect.sync(() => {
    past = elapsed()
    startedAt = undefined
  })
  const elapsed = () => (startedAt === undefined ? past : Math.round((past ?? 0) + processMonotonicMs() - startedAt))
  const step = <A, E, R>(
    name: string,
    effect: Effect.Effect<A, E, R>,
    tokenOf?: (exit: Exit.Exit<A, E>) => string | undefined
  ): Effect.Effect<A, E, R> =>
    Effect.suspend(() => {
      const from = processMonotonicMs()
      return Effect.onExit(effect, (exit) =>
        Effect.sync(() => {
          const took_ms = tenths(processMonotonicMs() - from)
          const token = tokenOf?.(exit)
          const isOk = Exit.isSuccess(exit)
          hops.push({ name, at_ms: tenths(from - begun), took_ms, isOk, ...(token !== undefined && { token }) })
        })
      )
    })
  return {
    step,
    measure: (name, effect, tokenOf) => step(name, Effect.andThen(start, Effect.ensuring(effect, stop)), tokenOf),
    elapsed,
    isRunning: () => startedAt !== undefined,
    hops: () => hops.toSorted((one, other) => one.at_ms - other.at_ms)
  }
}

const tenths = (ms: number): number => Math.round(ms * 10) / 10
