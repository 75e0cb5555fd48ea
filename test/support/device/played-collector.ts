/** An OpenTelemetry collector that keeps all it gets. */
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"

export interface Span {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly name: string
  readonly startTimeUnixNano: string
  readonly endTimeUnixNano: string
  readonly attributes: Readonly<Record<string, unknown>>
}

export interface PlayedCollector {
  readonly url: string
  /** Every request, as it came. */
  readonly requests: Array<{
    readonly path: string
    readonly headers: NodeJS.Dict<string | string[]>
    readonly body: Buffer
  }>
  /** Of requests in JSON. */
  readonly spans: () => ReadonlyArray<Span>
  readonly resource: () => Readonly<Record<string, unknown>>
  readonly metrics: () => ReadonlyArray<ExportedMetric>
  readonly stop: () => Promise<void>
}

export interface ExportedMetric {
  readonly name: string
  readonly unit: string
  /** The attributes of each. */
  readonly points: ReadonlyArray<Readonly<Record<string, unknown>>>
}

interface MetricData {
  readonly name: string
  readonly unit: string
  readonly histogram: { readonly dataPoints: ReadonlyArray<{ readonly attributes: ReadonlyArray<KeyValue> }> }
}

interface KeyValue {
  readonly key: string
  readonly value: Readonly<Record<string, unknown>>
}

/** `answers`: false: it takes what it gets, and says nothing. */
export const playedCollector = async ({ answers } = { answers: true }): Promise<PlayedCollector> => {
  const requests: PlayedCollector["requests"] = []
  const server = createServer((request, response) => {
    const chunks: Array<Buffer> = []
    request.on("data", (chunk: Buffer) => chunks.push(chunk))
    request.on("end", () => {
      requests.push({ path: request.url ?? "", headers: request.headers, body: Buffer.concat(chunks) })
      if (answers) response.writeHead(200, { "content-type": "application/json" }).end("{}")
    })
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const bodies = (path: string) =>
    requests.filter((one) => one.path === path).map(({ body }) => JSON.parse(body.toString("utf8")))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    spans: () =>
      bodies("/v1/traces").flatMap(({ resourceSpans }) =>
        resourceSpans.flatMap((one: { scopeSpans: ReadonlyArray<{ spans: ReadonlyArray<Span> }> }) =>
          one.scopeSpans.flatMap(({ spans }) =>
            spans.map((span) => ({
              ...span,
              attributes: valuesOf(span.attributes as unknown as ReadonlyArray<KeyValue>)
            }))
          )
        )
      ),
    resource: () => valuesOf(bodies("/v1/traces")[0]?.resourceSpans[0].resource.attributes ?? []),
    metrics: () =>
      bodies("/v1/metrics").flatMap(({ resourceMetrics }) =>
        resourceMetrics.flatMap((one: { scopeMetrics: ReadonlyArray<{ metrics: ReadonlyArray<MetricData> }> }) =>
          one.scopeMetrics.flatMap(({ metrics }) =>
            metrics.map(({ name, unit, histogram }) => ({
              name,
              unit,
              points: histogram.dataPoints.map(({ attributes }) => valuesOf(attributes))
            }))
          )
        )
      ),
    stop: () =>
      new Promise((resolve) => {
        server.closeAllConnections()
        server.close(() => resolve())
      })
  }
}

const valuesOf = (attributes: ReadonlyArray<KeyValue>): Readonly<Record<string, unknown>> =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]))
