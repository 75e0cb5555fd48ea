/**
 * Effect's OTLP exporter, in a bundle of its own that is loaded when the environment names a collector.
 *
 * The bundle has its own copy of Effect: only plain values cross. Nothing but names leaves of a failure, whatever it carries.
 */
import { Context, Effect, Exit, Layer, Metric, Scope, type Tracer } from "effect"
import { FetchHttpClient, HttpClient } from "effect/http"
import { OtlpExporter, OtlpMetrics, OtlpSerialization, OtlpTracer } from "effect/observability"
import type { Measurement } from "../../../runtime/measurements.ts"
import { processMonotonicMs } from "../../../runtime/primitives/monotonic-time.ts"
import { type ExportOutcome, exportOutcome } from "./export-outcome.ts"
import { type ExporterSettings, readExporterSettings, type TelemetryOptions } from "./exporter-settings.ts"
import { type Sampler, samplerOf } from "./sampler.ts"

export interface Exporter {
  /** Undefined: traces are switched off. */
  readonly tracer: Tracer.Tracer | undefined
  readonly record: (measurement: Measurement) => void
  /** Settings of the environment that are not used. */
  readonly warnings: ReadonlyArray<string>
  /** Sends what is left, for at most 3 seconds. */
  readonly stop: () => Promise<void>
}

export const startExporter = async (
  options: TelemetryOptions,
  environment: Readonly<Record<string, string | undefined>>,
  /** A collector refuses, or takes it again. */
  tell: (warning: string) => void
): Promise<Exporter> => {
  const settings = readExporterSettings(options, environment)
  const scope = Scope.makeUnsafe()
  const started = await Effect.runPromise(Scope.provide(start(settings, tell), scope))
  const metrics = settings.metricsUrl === undefined ? undefined : new ExportedMetrics()
  return {
    tracer: started === undefined ? undefined : guarded(started, samplerOf(environment)),
    record: (measurement) => metrics?.record(measurement),
    warnings: settings.warnings,
    stop: () => Effect.runPromise(Scope.close(scope, Exit.void))
  }
}

const start = ({ tracesUrl, metricsUrl, protocol, ...settings }: ExporterSettings, tell: (warning: string) => void) =>
  Effect.gen(function* () {
    const serialization = protocol === "http/json" ? OtlpSerialization.layerJson : OtlpSerialization.layerProtobuf
    const needs = yield* Layer.build(Layer.mergeAll(FetchHttpClient.layer, serialization, OtlpExporter.layerFlusher))
    const client = Context.get(needs, HttpClient.HttpClient)
    const needsOf = (signal: "traces" | "metrics") =>
      Context.add(needs, HttpClient.HttpClient, watched(client, exportOutcome(signal, tell)))
    const { resource, tracesHeaders, metricsHeaders, tracesEveryMs, metricsEveryMs } = settings
    const metrics = { url: metricsUrl ?? "", resource, headers: metricsHeaders, exportInterval: metricsEveryMs }
    if (metricsUrl !== undefined) yield* Effect.provideContext(OtlpMetrics.make(metrics), needsOf("metrics"))
    const traces = { url: tracesUrl ?? "", resource, headers: tracesHeaders, exportInterval: tracesEveryMs }
    if (tracesUrl === undefined) return undefined
    return yield* Effect.provideContext(OtlpTracer.make(traces), needsOf("traces"))
  })

const watched = (client: HttpClient.HttpClient, outcome: ExportOutcome): HttpClient.HttpClient =>
  client.pipe(
    HttpClient.tap(({ status }) =>
      Effect.sync(() => (status >= 200 && status < 300 ? outcome.taken() : outcome.failed(status, undefined)))
    ),
    HttpClient.tapError(({ reason }) => Effect.sync(() => outcome.failed(undefined, reason.cause)))
  )

/** Samples traces by their first span, and lets of an exit only its kind through. */
const guarded = (tracer: Tracer.Tracer, isSampled: Sampler): Tracer.Tracer => ({
  span: (options) => {
    const isRoot = options.parent._tag === "None"
    const sampled = options.sampled && (!isRoot || isSampled(options.name, processMonotonicMs()))
    const span = tracer.span({ ...options, sampled })
    const end = span.end.bind(span)
    return Object.assign(span, {
      end: (time: bigint, exit: Exit.Exit<unknown, unknown>) => end(time, onlyName(exit))
    })
  }
})

const onlyName = (exit: Exit.Exit<unknown, unknown>): Exit.Exit<void, { readonly message: string }> => {
  if (exit._tag === "Success") return Exit.void
  const [reason] = exit.cause.reasons
  if (reason === undefined || reason._tag === "Interrupt") return Exit.interrupt()
  const name = reason._tag === "Fail" && typeof reason.error === "string" ? reason.error : "defect"
  return Exit.fail({ message: /^\w{1,64}$/.test(name) ? name : "failed" })
}

class ExportedMetrics {
  private readonly series = new Map<string, Metric.Histogram<number>>()
  private readonly context = Context.empty()

  record({ name, ms, times, labels }: Measurement): void {
    const key = `${name} ${Object.values(labels).join(" ")}`
    let histogram = this.series.get(key)
    if (histogram === undefined) {
      if (this.series.size >= mostSeries) return
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

/** The names of the semantic conventions, where there is one. */
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
const mostSeries = 64
