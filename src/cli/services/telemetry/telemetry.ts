/**
 * Traces and metrics for an OpenTelemetry collector, if the environment names one; otherwise nothing is loaded.
 *
 * Source: OpenTelemetry, "OTLP Exporter Configuration" and "SDK environment variables".
 */
import { type Context, Effect, Tracer } from "effect"
import { type Measurement, Measurements } from "../../../runtime/measurements.ts"
import type { Exporter } from "./exporter.ts"
import type { TelemetryOptions } from "./exporter-settings.ts"
import type { Environment } from "./sampler.ts"

export const isTelemetryOn = (environment: Environment): boolean =>
  environment.OTEL_SDK_DISABLED?.toLowerCase() !== "true" &&
  ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"].some(
    (name) => (environment[name] ?? "") !== ""
  )

/** Exports spans of `run`; flushes at its end, for at most 3 seconds. `record`: additional recorder. */
export const withTelemetry = <A, E, R>(
  run: Effect.Effect<A, E, R>,
  options: TelemetryOptions,
  record: (measurement: Measurement) => void = () => undefined
): Effect.Effect<A, E, R> => {
  // Without a receiver no spans are created.
  const unexported = Effect.withTracerEnabled(Effect.provideService(run, Measurements, record), false)
  if (!isTelemetryOn(process.env)) return unexported
  return Effect.acquireUseRelease(
    starting(options),
    (exporter) => {
      if (exporter === undefined) return unexported
      const { tracer, record: exported, warnings } = exporter
      const measured = (measurement: Measurement) => {
        record(measurement)
        exported(measurement)
      }
      const observed =
        tracer === undefined ? Effect.withTracerEnabled(run, false) : Effect.provideService(run, Tracer.Tracer, tracer)
      return Effect.andThen(
        Effect.forEach(warnings, (warning) => Effect.logWarning(warning), { discard: true }),
        Effect.provideService(observed, Measurements, measured)
      )
    },
    (exporter) => (exporter === undefined ? Effect.void : Effect.promise(exporter.stop))
  )
}

/** Undefined: it failed to start; the service runs without it. */
const starting = (options: TelemetryOptions): Effect.Effect<Exporter | undefined> =>
  Effect.contextWith((context: Context.Context<never>) =>
    Effect.tryPromise(async () => {
      const { startExporter } = await import("./exporter.ts")
      const log = Effect.runForkWith(context)
      return startExporter(options, process.env, (warning) => void log(Effect.logWarning(warning)))
    })
  ).pipe(
    Effect.catch(({ cause }) => Effect.as(Effect.logWarning("nothing is exported to the collector", cause), undefined))
  )
