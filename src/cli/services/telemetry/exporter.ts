/**
 * Effect's OTLP exporter, in its own bundle, loaded when the environment names a collector.
 *
 * The bundle has its own copy of Effect: only plain values cross. Of a failure only its name is exported.
 */
import { ConfigProvider, Context, Effect, Exit, Layer, Metric, Scope, type Tracer } from "effect"
import { OtlpExporter, OtlpMetrics, OtlpSerialization, OtlpTracer } from "effect/observability"
import type { Measurement } from "../../../runtime/measurements.ts"
import { processMonotonicMs } from "../../../runtime/primitives/process-time.ts"
import { KindOfWork } from "../../../runtime/span.ts"
import { collectorClient, type ExportOutcome, exportOutcome } from "./collector-client.ts"
import {
  type ExporterSettings,
  readExporterSettings,
  type SignalSettings,
  type TelemetryOptions
} from "./exporter-settings.ts"
import { type Sampler, samplerOf } from "./sampler.ts"

export interface Exporter {
  /** Undefined: traces are switched off. */
  readonly tracer: Tracer.Tracer | undefined
  readonly record: (measurement: Measurement) => void
  /** Variables that are ignored. */
  readonly warnings: ReadonlyArray<string>
  /** Flushes the queue, for at most 3 seconds. */
  readonly stop: () => Promise<void>
}

export const startExporter = async (
  options: TelemetryOptions,
  environment: Readonly<Record<string, string | undefined>>,
  /** A collector starts or stops refusing exports. */
  tell: (warning: string) => void
): Promise<Exporter> => {
  const settings = readExporterSettings(options, environment)
  // Ended in parallel, as a collector may not respond to either.
  const scopes = { traces: Scope.makeUnsafe(), metrics: Scope.makeUnsafe() }
  // Validated before: Effect ends with a defect on an invalid variable.
  const started = await Effect.runPromise(
    Effect.provideService(start(settings, scopes, tell), ConfigProvider.ConfigProvider, ConfigProvider.fromUnknown({}))
  )
  const metrics = settings.metrics === undefined ? undefined : new ExportedMetrics()
  return {
    tracer: started === undefined ? undefined : guarded(started, samplerOf(environment)),
    record: (measurement) => metrics?.record(measurement),
    warnings: settings.warnings,
    stop: async () => {
      const closing = Object.values(scopes).map((scope) => Effect.runPromise(Scope.close(scope, Exit.void)))
      await Promise.all(closing)
    }
  }
}

const start = (
  { traces, metrics, temporality, resource }: ExporterSettings,
  scopes: Readonly<Record<"traces" | "metrics", Scope.Scope>>,
  tell: (warning: string) => void
): Effect.Effect<Tracer.Tracer | undefined> =>
  Effect.gen(function* () {
    if (metrics !== undefined) {
      const layer = yield* Scope.provide(Layer.build(needs(metrics, exportOutcome("metrics", tell))), scopes.metrics)
      const exporting = OtlpMetrics.make({ ...exportOptions(metrics), resource, temporality })
      yield* Scope.provide(Effect.provideContext(exporting, layer), scopes.metrics)
    }
    if (traces === undefined) return undefined
    const layer = yield* Scope.provide(Layer.build(needs(traces, exportOutcome("traces", tell))), scopes.traces)
    const exporting = OtlpTracer.make({ ...exportOptions(traces), resource })
    return yield* Scope.provide(Effect.provideContext(exporting, layer), scopes.traces)
  })

const exportOptions = ({ url, headers, compression, everyMs }: SignalSettings) => ({
  url,
  headers,
  compression,
  exportInterval: everyMs,
  shutdownTimeout: shutdownMs
})

const needs = ({ protocol, timeoutMs }: SignalSettings, outcome: ExportOutcome) =>
  Layer.mergeAll(
    collectorClient(outcome, timeoutMs),
    withoutUnits(protocol === "http/json" ? OtlpSerialization.layerJson : OtlpSerialization.layerProtobuf),
    OtlpExporter.layerFlusher
  )

/** Effect takes the unit of a metric from an attribute, and would export that attribute with each data point, too. */
const withoutUnits = (layer: typeof OtlpSerialization.layerJson): typeof OtlpSerialization.layerJson =>
  Layer.effect(
    OtlpSerialization.OtlpSerialization,
    Effect.map(OtlpSerialization.OtlpSerialization, (serialization) => ({
      ...serialization,
      metrics: (data) => {
        for (const { scopeMetrics } of data.resourceMetrics)
          for (const { metrics } of scopeMetrics)
            for (const { histogram } of metrics)
              for (const point of histogram?.dataPoints ?? [])
                point.attributes = (point.attributes ?? []).filter(({ key }) => key !== "unit")
        return serialization.metrics(data)
      }
    }))
  ).pipe(Layer.provide(layer))

/** Samples traces by their root span, and exports only the kind of an exit. */
const guarded = (tracer: Tracer.Tracer, isSampled: Sampler): Tracer.Tracer => ({
  span: (options) => {
    const isRoot = options.parent._tag === "None"
    const sampled =
      options.sampled &&
      (!isRoot || isSampled(options.name, Context.get(options.annotations, KindOfWork), processMonotonicMs()))
    const span = tracer.span({ ...options, sampled })
    const end = span.end.bind(span)
    return Object.assign(span, {
      end: (time: bigint, exit: Exit.Exit<unknown, unknown>) => {
        const name = failureName(exit)
        if (name !== undefined) span.attribute("error.type", name)
        const withoutFailure = exit._tag === "Success" ? Exit.void : Exit.interrupt()
        end(time, name === undefined ? withoutFailure : Exit.fail({ message: name }))
      }
    })
  }
})

/** Undefined: success, or interrupted. */
const failureName = (exit: Exit.Exit<unknown, unknown>): string | undefined => {
  const [reason] = exit._tag === "Success" ? [] : exit.cause.reasons
  if (reason === undefined || reason._tag === "Interrupt") return undefined
  const name = reason._tag === "Fail" && typeof reason.error === "string" ? reason.error : "defect"
  return /^\w{1,64}$/.test(name) ? name : "failed"
}

class ExportedMetrics {
  private readonly series = new Map<string, Metric.Histogram<number>>()
  private readonly context = Context.empty()

  record({ name, ms, times, labels }: Measurement): void {
    const key = `${name} ${Object.values(labels).join(" ")}`
    let histogram = this.series.get(key)
    if (histogram === undefined) {
      if (this.series.size >= maxSeries) return
      const { metric, description, attributes } = known[name]
      histogram = Metric.histogram(metric, {
        description,
        attributes: { unit: "s", ...attributes, ...labels },
        boundaries: bucketsSeconds
      })
      this.series.set(key, histogram)
    }
    for (let n = 0; n < times; n++) histogram.updateUnsafe(ms / 1000, this.context)
  }
}

/** Names of the semantic conventions, where one exists. */
const known = {
  signature: {
    metric: "tedge.signature.duration",
    description: "From the request for a signature to its answer",
    attributes: {}
  },
  puback: {
    metric: "messaging.client.operation.duration",
    description: "From PUBLISH to PUBACK",
    attributes: { "messaging.system": "mqtt", "messaging.operation.name": "publish" }
  }
} as const

const bucketsSeconds = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]
const maxSeries = 64
const shutdownMs = 3_000
