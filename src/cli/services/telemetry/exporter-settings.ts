/** The OpenTelemetry variables supported by the exporter. Headers may contain a token: they are never shown. */
import { hostname } from "node:os"
import { longestTimerMs } from "../../../runtime/primitives/runtime-clock.ts"
import { type Environment, isSampler, isShare } from "./sampler.ts"

export interface TelemetryOptions {
  /** `service.name`, unless the environment sets another. */
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
      protocol: choice(variableOf("PROTOCOL", name, environment), ["http/protobuf", "http/json"], environment, warn),
      compression: choice(variableOf("COMPRESSION", name, environment), ["none", "gzip"], environment, warn),
      timeoutMs: positive(variableOf("TIMEOUT", name, environment), 10_000, environment, warn),
      everyMs
    }
  }
  checkSampler(environment, warn)
  const everyMs = (variable: string, otherwise: number) => positive(variable, otherwise, environment, warn)
  const temporality = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"
  const attributes = attributesIn(environment.OTEL_RESOURCE_ATTRIBUTES ?? "", warn)
  return {
    traces: signal("TRACES", everyMs("OTEL_BSP_SCHEDULE_DELAY", 5_000)),
    metrics: signal("METRICS", everyMs("OTEL_METRIC_EXPORT_INTERVAL", 60_000)),
    temporality: choice(temporality, ["cumulative", "delta"], environment, warn),
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

/** The signal's own variable takes precedence over the common one; empty means unset. */
const variableOf = (what: string, signal: Signal, environment: Environment): string => {
  const own = `OTEL_EXPORTER_OTLP_${signal}_${what}`
  return environment[own] ? own : `OTEL_EXPORTER_OTLP_${what}`
}

const urlOf = (signal: Signal, environment: Environment, warn: Warn): string | undefined => {
  if (!isOtlpWanted(`OTEL_${signal}_EXPORTER`, environment, warn)) return undefined
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

/** A list; only `none` switches export off. */
const isOtlpWanted = (variable: string, environment: Environment, warn: Warn): boolean => {
  const wanted = (environment[variable] ?? "").toLowerCase().split(",")
  const names = wanted.map((name) => name.trim()).filter((name) => name !== "")
  const [other] = names.filter((name) => name !== "otlp" && name !== "none")
  const isWanted = names.length === 0 || names.includes("otlp")
  if (other !== undefined) warn(unknownValue(variable, other, isWanted ? "otlp" : "none"))
  return isWanted
}

/** `key=value,key=value`, values percent-encoded. Invalid headers are omitted: they would fail every export. */
const headersIn = (text: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    pairs(text)
      .map(([name, value]) => [name, decoded(value) ?? value] as const)
      .filter(([name, value]) => /^[\w!#$%&'*+.^`|~-]+$/.test(name) && /^[\t\x20-\x7e\x80-\xff]*$/.test(value))
  )

/** Source: OpenTelemetry, "Resource SDK": on an error in it, all of it is ignored. */
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

/** Milliseconds. */
const positive = (variable: string, otherwise: number, environment: Environment, warn: Warn): number => {
  const text = environment[variable]?.trim() ?? ""
  if (text === "") return otherwise
  const value = /^\d+$/.test(text) ? Number(text) : 0
  if (value > 0 && value <= longestTimerMs) return value
  warn(unusable(variable, text, "a number of milliseconds", String(otherwise)))
  return otherwise
}

const checkSampler = (environment: Environment, warn: Warn): void => {
  const { OTEL_TRACES_SAMPLER: name = "", OTEL_TRACES_SAMPLER_ARG: argument = "" } = environment
  if (!isSampler(name)) warn(unknownValue("OTEL_TRACES_SAMPLER", name, "the default"))
  else if (!isShare(name, argument)) warn(unusable("OTEL_TRACES_SAMPLER_ARG", argument, "a number from 0 to 1", "1"))
}

const unusable = (variable: string, text: string, wanted: string, used: string): string =>
  `${variable}: '${text.slice(0, 32)}' is not ${wanted}, ${used} is used`
