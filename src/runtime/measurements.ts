/** Where actors record measurements; nowhere, unless a program provides a sink. */
import { Context, Effect } from "effect"
import { processMonotonicMs } from "./primitives/process-time.ts"

/** A duration in milliseconds, of so many things at once. */
export interface Measurement {
  readonly name: "signature" | "puback"
  readonly ms: number
  readonly times: number
  readonly labels: Readonly<Record<string, string>>
}

export const Measurements = Context.Reference<(measurement: Measurement) => void>("tedge-actors/Measurements", {
  defaultValue: () => () => undefined
})

/** Measures real time, as no behaviour depends on it: not Effect's clock. */
export const measured = <A, E, R>(name: Measurement["name"], work: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.flatMap(Measurements, (record) => {
    const startedAt = processMonotonicMs()
    return Effect.onExit(work, (exit) =>
      Effect.sync(() =>
        record({ name, ms: processMonotonicMs() - startedAt, times: 1, labels: { outcome: exit._tag.toLowerCase() } })
      )
    )
  })
