/** What is said of a collector that refuses, by the exporter itself. */
import { createServer, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { afterEach, describe, expect, it } from "vitest"
import { exportOutcome } from "../../../../src/cli/services/telemetry/collector-client.ts"
import { type Exporter, startExporter } from "../../../../src/cli/services/telemetry/exporter.ts"

const hint = "check OTEL_EXPORTER_OTLP_ENDPOINT and the collector"

let exporter: Exporter | undefined
let server: Server | undefined

afterEach(async () => {
  await exporter?.stop()
  server?.closeAllConnections()
  server?.close()
  exporter = undefined
  server = undefined
})

/** A collector that answers with these statuses, then with 200. */
const collector = async (...statuses: Array<number>): Promise<string> => {
  const made = createServer((request, response) => {
    request.resume().once("end", () => response.writeHead(statuses.shift() ?? 200).end("{}"))
  })
  server = made
  await new Promise<void>((resolve) => made.listen(0, "127.0.0.1", resolve))
  return `http://127.0.0.1:${(made.address() as AddressInfo).port}`
}

const told = (lines: Array<string>, count: number, endpoint: string): Promise<ReadonlyArray<string>> =>
  new Promise((resolve) => {
    const tell = (line: string) => {
      if (lines.push(line) === count) resolve(lines)
    }
    const environment = {
      OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
      OTEL_EXPORTER_OTLP_HEADERS: "authorization=geheim",
      OTEL_TRACES_EXPORTER: "none",
      OTEL_METRIC_EXPORT_INTERVAL: "10"
    }
    void startExporter({ service: "x", version: "1" }, environment, tell).then((started) => {
      exporter = started
      started.record({ name: "puback", ms: 1, times: 1, labels: { side: "cloud" } })
    })
  })

describe("an export that fails", () => {
  it("is said once with its status, and once when the collector accepts it again", async () => {
    expect(await told([], 2, await collector(503))).toEqual([
      `the collector does not accept metrics: it answered with status 503; ${hint}`,
      "the collector accepts metrics again"
    ])
  })

  it("is said with the code of the connection, where there is no answer", async () => {
    const endpoint = await collector()
    await new Promise((resolve) => server?.close(resolve))
    expect(await told([], 1, endpoint)).toEqual([`the collector does not accept metrics: ECONNREFUSED; ${hint}`])
  })

  it("is not said again while it lasts", () => {
    const lines: Array<string> = []
    const outcome = exportOutcome("traces", (line) => lines.push(line))
    for (let n = 0; n < 3; n += 1) outcome.failed(undefined, new Error("http://user:geheim@h"))
    for (let n = 0; n < 3; n += 1) outcome.taken()
    expect(lines).toEqual([
      `the collector does not accept traces: no connection; ${hint}`,
      "the collector accepts traces again"
    ])
  })
})
