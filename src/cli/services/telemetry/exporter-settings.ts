/** The variables of OpenTelemetry, as the exporter takes them. Headers may hold a token: they are never shown. */
import { hostname } from "node:os"

export interface TelemetryOptions {
  /** `service.name`, unless the environment has another. */
  readonly service: string
  readonly version: string
}

export interface ExporterSettings {
  /** Undefined: not exported. */
  readonly tracesUrl: string | undefined
  readonly metricsUrl: string | undefined
  readonly tracesHeaders: Readonly<Record<string, string>>
  readonly metricsHeaders: Readonly<Record<string, string>>
  readonly tracesEveryMs: number
  readonly metricsEveryMs: number
  readonly protocol: "http/json" | "http/protobuf"
  readonly resource: {
    readonly serviceName?: string
    readonly serviceVersion: string
    readonly attributes: Record<string, unknown>
  }
  readonly warnings: ReadonlyArray<string>
}

type Environment = Readonly<Record<string, string | undefined>>

export const readExporterSettings = (
  { service, version }: TelemetryOptions,
  environment: Environment
): ExporterSettings => {
  const warnings: Array<string> = []
  const named = /(^|,)\s*service\.name\s*=/.test(environment.OTEL_RESOURCE_ATTRIBUTES ?? "")
  return {
    tracesUrl: url("TRACES", environment, warnings),
    metricsUrl: url("METRICS", environment, warnings),
    tracesHeaders: headers("TRACES", environment),
    metricsHeaders: headers("METRICS", environment),
    tracesEveryMs: positive(environment.OTEL_BSP_SCHEDULE_DELAY) ?? 5_000,
    metricsEveryMs: positive(environment.OTEL_METRIC_EXPORT_INTERVAL) ?? 60_000,
    protocol: protocolOf(environment, warnings),
    resource: {
      ...(environment.OTEL_SERVICE_NAME || named ? {} : { serviceName: service }),
      serviceVersion: version,
      attributes: { "host.name": hostname(), "process.pid": process.pid }
    },
    warnings
  }
}

type Signal = "TRACES" | "METRICS"

const url = (signal: Signal, environment: Environment, warnings: Array<string>): string | undefined => {
  const exporter = environment[`OTEL_${signal}_EXPORTER`]
  if (exporter !== undefined && exporter !== "" && exporter !== "otlp") return undefined
  const own = `OTEL_EXPORTER_OTLP_${signal}_ENDPOINT`
  const variable = environment[own] ? own : "OTEL_EXPORTER_OTLP_ENDPOINT"
  const text = environment[variable]
  if (!text) return undefined
  const refuse = (why: string): undefined => {
    if (!warnings.includes(why)) warnings.push(why) // both signals may have the same variable
  }
  const parsed = URL.canParse(text) ? new URL(text) : undefined
  if (parsed === undefined || !/^https?:$/.test(parsed.protocol))
    return refuse(`${variable} is not a URL that begins with http:// or https://: not exported`)
  if (parsed.username !== "" || parsed.password !== "")
    return refuse(`${variable} has a user name or password: not exported; set OTEL_EXPORTER_OTLP_HEADERS instead`)
  if (variable !== own) parsed.pathname = `${parsed.pathname.replace(/\/$/, "")}/v1/${signal.toLowerCase()}`
  return parsed.href
}

/** `key=value,key=value`, values percent-encoded. */
const headers = (signal: Signal, environment: Environment): Readonly<Record<string, string>> => {
  const text = environment[`OTEL_EXPORTER_OTLP_${signal}_HEADERS`] || environment.OTEL_EXPORTER_OTLP_HEADERS || ""
  const pairs = text.split(",").flatMap((pair) => {
    const at = pair.indexOf("=")
    return at < 1 ? [] : [[pair.slice(0, at).trim(), decoded(pair.slice(at + 1).trim())] as const]
  })
  return Object.fromEntries(pairs)
}

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text // not encoded
  }
}

const protocolOf = (environment: Environment, warnings: Array<string>): ExporterSettings["protocol"] => {
  const text = environment.OTEL_EXPORTER_OTLP_PROTOCOL || "http/protobuf"
  if (text === "http/json" || text === "http/protobuf") return text
  warnings.push(`OTEL_EXPORTER_OTLP_PROTOCOL: '${text.slice(0, 32)}' is not known here, http/protobuf is used`)
  return "http/protobuf"
}

const positive = (text: string | undefined): number | undefined => {
  const value = Number(text)
  return text !== undefined && value > 0 ? value : undefined
}
