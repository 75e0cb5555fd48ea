/** The variables of OpenTelemetry, as they are read. */
import { describe, expect, it } from "vitest"
import { readExporterSettings } from "../../../../src/cli/services/telemetry/exporter-settings.ts"
import { isTelemetryOn } from "../../../../src/cli/services/telemetry/telemetry.ts"

const read = (environment: Readonly<Record<string, string>>) =>
  readExporterSettings({ service: "tedge-mapper-c8y", version: "1.0" }, environment)

const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://h:4318" }

describe("a collector in the environment", () => {
  it.each([
    [{}, false],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: "" }, false],
    [{ OTEL_SERVICE_NAME: "x" }, false],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: "http://h:4318" }, true],
    [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://h:4318/v1/traces" }, true],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: "http://h:4318", OTEL_SDK_DISABLED: "true" }, false],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: "http://h:4318", OTEL_SDK_DISABLED: "false" }, true]
  ])("%o switches export on: %s", (environment, expected) => {
    expect(isTelemetryOn(environment)).toBe(expected)
  })

  it("has a path for each signal, unless a signal has an address of its own", () => {
    const { traces, metrics, warnings } = read({
      OTEL_EXPORTER_OTLP_ENDPOINT: "https://h:4318/base/",
      OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: "http://m/own"
    })
    expect([traces?.url, metrics?.url, warnings]).toEqual(["https://h:4318/base/v1/traces", "http://m/own", []])
  })

  it("exports no signal that is switched off", () => {
    expect(read({ ...endpoint, OTEL_TRACES_EXPORTER: "none" }).traces).toBeUndefined()
    expect(read({ ...endpoint, OTEL_METRICS_EXPORTER: "none" }).metrics).toBeUndefined()
    expect(read({ ...endpoint, OTEL_TRACES_EXPORTER: "otlp" }).traces?.url).toBe("http://h:4318/v1/traces")
  })

  it.each([
    ["console,otlp", true, "'console' is not supported, otlp is used"],
    ["otlp, zipkin", true, "'zipkin' is not supported, otlp is used"],
    ["OTLP", true, undefined],
    [" ", true, undefined],
    ["console", false, "'console' is not supported, none is used"],
    ["none", false, undefined]
  ])("exports if the list '%s' has otlp: %s", (list, isExported, warning) => {
    const { traces, warnings } = read({ ...endpoint, OTEL_TRACES_EXPORTER: list })
    expect(traces !== undefined).toBe(isExported)
    expect(warnings).toEqual(warning === undefined ? [] : [`OTEL_TRACES_EXPORTER: ${warning}`])
  })

  it.each(["abc", "-1", "0", "1e3", "0.5", "99999999999"])(
    "does not take '%s' for a length of time, and says so",
    (text) => {
      const variables = ["OTEL_EXPORTER_OTLP_TIMEOUT", "OTEL_BSP_SCHEDULE_DELAY", "OTEL_METRIC_EXPORT_INTERVAL"]
      const { traces, metrics, warnings } = read({
        ...endpoint,
        ...Object.fromEntries(variables.map((name) => [name, text]))
      })
      expect([traces?.timeoutMs, traces?.everyMs, metrics?.everyMs]).toEqual([10_000, 5_000, 60_000])
      expect(warnings.toSorted()).toEqual(
        [
          `OTEL_EXPORTER_OTLP_TIMEOUT: '${text}' is not a number of milliseconds, 10000 is used`,
          `OTEL_BSP_SCHEDULE_DELAY: '${text}' is not a number of milliseconds, 5000 is used`,
          `OTEL_METRIC_EXPORT_INTERVAL: '${text}' is not a number of milliseconds, 60000 is used`
        ].toSorted()
      )
    }
  )

  it.each(["traceidratio", "parentbased_traceidratio"])("checks the share of the sampler %s", (sampler) => {
    const warnings = (share: string) =>
      read({ ...endpoint, OTEL_TRACES_SAMPLER: sampler, OTEL_TRACES_SAMPLER_ARG: share }).warnings
    for (const share of ["7", "-0.1", "many", " "])
      expect([share, warnings(share)]).toEqual([
        share,
        [`OTEL_TRACES_SAMPLER_ARG: '${share}' is not a number from 0 to 1, 1 is used`]
      ])
    for (const share of ["", "0", "0.25", "1"]) expect([share, warnings(share)]).toEqual([share, []])
  })

  it("takes the samplers based on a parent, and no other name that begins so", () => {
    const warnings = (sampler: string) => read({ ...endpoint, OTEL_TRACES_SAMPLER: sampler }).warnings
    for (const known of ["parentbased_always_on", "parentbased_always_off", "ParentBased_TraceIdRatio", "always_on"])
      expect([known, warnings(known)]).toEqual([known, []])
    for (const unknown of ["parentbased_", "parentbased_jaeger_remote", "xray"])
      expect([unknown, warnings(unknown)]).toEqual([
        unknown,
        [`OTEL_TRACES_SAMPLER: '${unknown}' is not supported, the default is used`]
      ])
  })

  it("takes headers as they are encoded, and those of a signal before those of all", () => {
    const settings = read({
      OTEL_EXPORTER_OTLP_ENDPOINT: "http://h:4318",
      OTEL_EXPORTER_OTLP_HEADERS: "authorization=Bearer%20abc, x-tenant = t=1",
      OTEL_EXPORTER_OTLP_METRICS_HEADERS: "a=b"
    })
    expect(settings.traces?.headers).toEqual({ authorization: "Bearer abc", "x-tenant": "t=1" })
    expect(settings.metrics?.headers).toEqual({ a: "b" })
  })

  it("counts an empty variable as unset", () => {
    const settings = read({ ...endpoint, OTEL_EXPORTER_OTLP_HEADERS: "a=b", OTEL_EXPORTER_OTLP_TRACES_HEADERS: "" })
    expect(settings.traces?.headers).toEqual({ a: "b" })
  })

  it.each(["http://user:geheim@h:4318", "http://geheim@h:4318"])(
    "refuses an address with credentials once, and does not show them: %s",
    (address) => {
      const { traces, metrics, warnings } = read({ OTEL_EXPORTER_OTLP_ENDPOINT: address })
      expect([traces, metrics]).toEqual([undefined, undefined])
      expect(warnings).toEqual([
        "OTEL_EXPORTER_OTLP_ENDPOINT has a user name or password: not exported; set OTEL_EXPORTER_OTLP_HEADERS instead"
      ])
    }
  )

  it("names the service, unless the environment does", () => {
    const named = (environment: Readonly<Record<string, string>>) => read(environment).resource.serviceName
    expect(named({})).toBe("tedge-mapper-c8y")
    expect(named({ OTEL_SERVICE_NAME: "" })).toBe("tedge-mapper-c8y")
    const attributes = { OTEL_RESOURCE_ATTRIBUTES: "a=b%20c, service.name=theirs" }
    expect(named(attributes)).toBe("theirs")
    expect(named({ ...attributes, OTEL_SERVICE_NAME: "mine" })).toBe("mine")
    expect(read(attributes).resource.attributes).toMatchObject({ a: "b c" })
  })

  it("leaves out attributes of the resource that are not encoded, and says so", () => {
    const { resource, warnings } = read({ OTEL_RESOURCE_ATTRIBUTES: "a=b,c=%zz" })
    expect(resource.attributes).not.toHaveProperty("a")
    expect(warnings).toEqual(["OTEL_RESOURCE_ATTRIBUTES is not valid percent-encoding: ignored"])
  })

  it("leaves out headers that HTTP does not allow", () => {
    const { traces } = read({ ...endpoint, OTEL_EXPORTER_OTLP_HEADERS: "a b=c,d=%0Ae,f=g" })
    expect(traces?.headers).toEqual({ f: "g" })
  })

  it("takes timeout, compression and protocol, those of a signal before those of all", () => {
    const { traces, metrics, temporality, warnings } = read({
      ...endpoint,
      OTEL_EXPORTER_OTLP_TIMEOUT: "2000",
      OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: "500",
      OTEL_EXPORTER_OTLP_COMPRESSION: "gzip",
      OTEL_EXPORTER_OTLP_METRICS_COMPRESSION: "none",
      OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: "http/json",
      OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: "delta"
    })
    expect(traces).toMatchObject({ timeoutMs: 500, compression: "gzip", protocol: "http/json", everyMs: 5_000 })
    expect(metrics).toMatchObject({ timeoutMs: 2_000, compression: "none", protocol: "http/protobuf", everyMs: 60_000 })
    expect([temporality, warnings]).toEqual(["delta", []])
    expect(read(endpoint).traces).toMatchObject({ timeoutMs: 10_000, compression: "none", protocol: "http/protobuf" })
  })

  it("says what it cannot use, without what may be a secret", () => {
    const wrong = read({
      OTEL_EXPORTER_OTLP_ENDPOINT: "user:geheim@host",
      OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: "http://h",
      OTEL_EXPORTER_OTLP_PROTOCOL: "grpc",
      OTEL_TRACES_SAMPLER: "jaeger_remote"
    })
    expect(wrong.traces).toBeUndefined()
    expect(wrong.metrics?.protocol).toBe("http/protobuf")
    expect(wrong.warnings).toEqual([
      "OTEL_TRACES_SAMPLER: 'jaeger_remote' is not supported, the default is used",
      "OTEL_EXPORTER_OTLP_ENDPOINT is not a URL that begins with http:// or https://: not exported",
      "OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' is not supported, http/protobuf is used"
    ])
  })
})
