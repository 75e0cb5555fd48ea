/** The variables of OpenTelemetry, as they are read. */
import { describe, expect, it } from "vitest"
import { readExporterSettings } from "../../../../src/cli/services/telemetry/exporter-settings.ts"
import { isTelemetryOn } from "../../../../src/cli/services/telemetry/telemetry.ts"

const read = (environment: Readonly<Record<string, string>>) =>
  readExporterSettings({ service: "tedge-mapper-c8y", version: "1.0" }, environment)

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
    const { tracesUrl, metricsUrl, warnings } = read({
      OTEL_EXPORTER_OTLP_ENDPOINT: "https://h:4318/base/",
      OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: "http://m/own"
    })
    expect([tracesUrl, metricsUrl, warnings]).toEqual(["https://h:4318/base/v1/traces", "http://m/own", []])
  })

  it("exports no signal that is switched off", () => {
    const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://h:4318" }
    expect(read({ ...endpoint, OTEL_TRACES_EXPORTER: "none" }).tracesUrl).toBeUndefined()
    expect(read({ ...endpoint, OTEL_METRICS_EXPORTER: "none" }).metricsUrl).toBeUndefined()
    expect(read({ ...endpoint, OTEL_TRACES_EXPORTER: "otlp" }).tracesUrl).toBe("http://h:4318/v1/traces")
  })

  it("takes headers as they are encoded, and those of a signal before those of all", () => {
    const settings = read({
      OTEL_EXPORTER_OTLP_HEADERS: "authorization=Bearer%20abc, x-tenant = t=1",
      OTEL_EXPORTER_OTLP_METRICS_HEADERS: "a=b"
    })
    expect(settings.tracesHeaders).toEqual({ authorization: "Bearer abc", "x-tenant": "t=1" })
    expect(settings.metricsHeaders).toEqual({ a: "b" })
  })

  it("counts an empty variable as unset", () => {
    const settings = read({ OTEL_EXPORTER_OTLP_HEADERS: "a=b", OTEL_EXPORTER_OTLP_TRACES_HEADERS: "" })
    expect(settings.tracesHeaders).toEqual({ a: "b" })
  })

  it.each(["http://user:geheim@h:4318", "http://geheim@h:4318"])(
    "refuses an address with credentials once, and does not show them: %s",
    (address) => {
      const { tracesUrl, metricsUrl, warnings } = read({ OTEL_EXPORTER_OTLP_ENDPOINT: address })
      expect([tracesUrl, metricsUrl]).toEqual([undefined, undefined])
      expect(warnings).toEqual([
        "OTEL_EXPORTER_OTLP_ENDPOINT has a user name or password: not exported; set OTEL_EXPORTER_OTLP_HEADERS instead"
      ])
    }
  )

  it("names the service, unless the environment does", () => {
    expect(read({}).resource.serviceName).toBe("tedge-mapper-c8y")
    expect(read({ OTEL_SERVICE_NAME: "mine" }).resource.serviceName).toBeUndefined()
    expect(read({ OTEL_RESOURCE_ATTRIBUTES: "a=b, service.name=mine" }).resource.serviceName).toBeUndefined()
  })

  it("says what it cannot use, without what may be a secret", () => {
    const wrong = read({ OTEL_EXPORTER_OTLP_ENDPOINT: "user:geheim@host", OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" })
    expect(wrong.tracesUrl).toBeUndefined()
    expect(wrong.protocol).toBe("http/protobuf")
    expect(wrong.warnings.join("\n")).toMatch(/OTEL_EXPORTER_OTLP_ENDPOINT is not a URL.*\n.*'grpc' is not known/)
    expect(wrong.warnings.join("\n")).not.toContain("geheim")
  })
})
