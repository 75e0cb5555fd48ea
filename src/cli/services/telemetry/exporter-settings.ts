/** The variables of OpenTelemetry, as the exporter takes them. Headers may hold a token: they are never shown. */
import { hostname } from "node:os"

export interface TelemetryOptions {
  /** `service.name`, unless the environment has another. */
  readonly service: string
  readonly version: string
}

export interface ExporterSettings {
  /** Undefined: not exported. */
  readonly traces: SignalSettings | undefined
  readonly metrics: SignalSettings | undefined
  readonly temporality: "cumulative" | "delta"
  readonly resource: {
    readonly serviceName?: string
    readonly serviceVersion: string
    readonly attributes: Record<string, unknown>
  }
  readonly warnings: ReadonlyArray<string>
}

export interface SignalSettings {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly protocol: "http/json" | "http/protobuf"
  readonly compression: "gzip" | "none"
  /** Of one attempt. */
  readonly timeoutMs: number
  readonly everyMs: number
}

export type Environment = Readonly<Record<string, string | undefined>>

export const readExporterSettings = (
  { service, version }: TelemetryOptions,
  environment: Environment
): ExporterSettings => {
  const warnings: Array<string> = []
  const warn = (text: string): void => {
    if (!warnings.includes(text)) warnings.push(text) // both signals may have the same variable
  }
  const signal = (name: Signal, everyMs: number): SignalSettings | undefined => {
    const url = urlOf(name, environment, warn)
    if (url === undefined) return undefined
    return {
      url,
      headers: headersIn(environment[variableOf("HEADERS", name, environment)] ?? ""),
      protocol: choice(variableOf("PROTOCOL", name, environment), protocols, environment, warn),
      compression: choice(variableOf("COMPRESSION", name, environment), compressions, environment, warn),
      timeoutMs: positive(environment[variableOf("TIMEOUT", name, environment)]) ?? 10_000,
      everyMs
    }
  }
  const sampler = environment.OTEL_TRACES_SAMPLER?.toLowerCase() ?? ""
  if (sampler !== "" && !samplers.includes(sampler.replace(/^parentbased_/, "")))
    warn(unknownValue("OTEL_TRACES_SAMPLER", sampler, "the default"))
  const temporality = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"
  const attributes = attributesIn(environment.OTEL_RESOURCE_ATTRIBUTES ?? "", warn)
  return {
    traces: signal("TRACES", positive(environment.OTEL_BSP_SCHEDULE_DELAY) ?? 5_000),
    metrics: signal("METRICS", positive(environment.OTEL_METRIC_EXPORT_INTERVAL) ?? 60_000),
    temporality: choice(temporality, temporalities, environment, warn),
    resource: {
      serviceName: environment.OTEL_SERVICE_NAME || attributes["service.name"] || service,
      serviceVersion: attributes["service.version"] ?? version,
      attributes: { "host.name": hostname(), "process.pid": process.pid, ...attributes }
    },
    warnings
  }
}

type Signal = "TRACES" | "METRICS"
type Warn = (text: string) => void

/** That of the signal takes precedence over that of all; empty counts as unset. */
const variableOf = (what: string, signal: Signal, environment: Environment): string => {
  const own = `OTEL_EXPORTER_OTLP_${signal}_${what}`
  return environment[own] ? own : `OTEL_EXPORTER_OTLP_${what}`
}

const urlOf = (signal: Signal, environment: Environment, warn: Warn): string | undefined => {
  const exporter = environment[`OTEL_${signal}_EXPORTER`]
  if (exporter !== undefined && exporter !== "" && exporter !== "otlp") return undefined
  const variable = variableOf("ENDPOINT", signal, environment)
  const text = environment[variable]
  if (!text) return undefined
  const refuse = (why: string): undefined => void warn(`${variable} ${why}`)
  const parsed = URL.canParse(text) ? new URL(text) : undefined
  if (parsed === undefined || !/^https?:$/.test(parsed.protocol))
    return refuse("is not a URL that begins with http:// or https://: not exported")
  if (parsed.username !== "" || parsed.password !== "")
    return refuse("has a user name or password: not exported; set OTEL_EXPORTER_OTLP_HEADERS instead")
  const isOfAll = variable === "OTEL_EXPORTER_OTLP_ENDPOINT"
  if (isOfAll) parsed.pathname = `${parsed.pathname.replace(/\/$/, "")}/v1/${signal.toLowerCase()}`
  return parsed.href
}

/** `key=value,key=value`, values percent-encoded. What cannot be sent is left out: it would fail every export. */
const headersIn = (text: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    pairs(text)
      .map(([name, value]) => [name, decoded(value) ?? value] as const)
      .filter(([name, value]) => /^[\w!#$%&'*+.^`|~-]+$/.test(name) && /^[\t\x20-\x7e\x80-\xff]*$/.test(value))
  )

/** Source: OpenTelemetry, "Resource SDK": with an error in it, all of it is left out. */
const attributesIn = (text: string, warn: Warn): Readonly<Record<string, string>> => {
  const read = pairs(text).map(([name, value]) => [decoded(name), decoded(value)] as const)
  const whole = read.flatMap(([name, value]) => (name === undefined || value === undefined ? [] : [[name, value]]))
  if (whole.length === read.length) return Object.fromEntries(whole)
  warn("OTEL_RESOURCE_ATTRIBUTES is not valid percent-encoding: ignored")
  return {}
}

const pairs = (text: string): ReadonlyArray<readonly [string, string]> =>
  text.split(",").flatMap((pair) => {
    const at = pair.indexOf("=")
    return at < 1 ? [] : [[pair.slice(0, at).trim(), pair.slice(at + 1).trim()] as const]
  })

const decoded = (text: string): string | undefined => {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined // not encoded
  }
}

/** The first is the default. */
const choice = <A extends string>(
  variable: string,
  known: readonly [A, ...ReadonlyArray<A>],
  environment: Environment,
  warn: Warn
): A => {
  const text = environment[variable]?.toLowerCase() || known[0]
  const found = known.find((one) => one === text)
  if (found === undefined) warn(unknownValue(variable, text, known[0]))
  return found ?? known[0]
}

const unknownValue = (variable: string, text: string, used: string): string =>
  `${variable}: '${text.slice(0, 32)}' is not supported, ${used} is used`

const positive = (text: string | undefined): number | undefined => {
  const value = Number(text)
  return text !== undefined && value > 0 ? value : undefined
}

const protocols = ["http/protobuf", "http/json"] as const
const compressions = ["none", "gzip"] as const
const temporalities = ["cumulative", "delta"] as const
const samplers = ["always_on", "always_off", "traceidratio"]
