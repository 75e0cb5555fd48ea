/** How long the parts of a connection attempt take, also while one goes on. */
import { Effect, Exit } from "effect"
import type { Hop } from "../../../messages/status/snapshot.ts"
import { processMonotonicMs } from "../../../runtime/primitives/process-time.ts"

export interface Stopwatch {
  /** A part of the attempt that does not ask the token. */
  readonly step: <A, E, R>(name: string, effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** A part that asks the token; these do not overlap. `tokenOf`: which one it was, by how the part ended. */
  readonly measure: <A, E>(
    name: string,
    effect: Effect.Effect<A, E>,
    tokenOf?: (exit: Exit.Exit<A, E>) => string | undefined
  ) => Effect.Effect<A, E>
  /** What the token has taken so far, in milliseconds; undefined: it was never asked. */
  readonly elapsed: () => number | undefined
  /** The token is being asked. */
  readonly isRunning: () => boolean
  /** The parts that have ended, in the order of their start. */
  readonly hops: () => ReadonlyArray<MeasuredHop>
}

export interface MeasuredHop extends Hop {
  readonly isOk: boolean
  /** The label of the token that was asked, where it is known. */
  readonly token?: string
}

/** Not Effect's clock: it measures the world, and no behaviour depends on it. */
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
