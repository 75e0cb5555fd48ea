/** What node_exporter reads: counts by operation and token, in Prometheus' text format. */
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { Metrics } from "../../../src/actors/p11-server/metrics.ts"
import type { P11ServerEvent } from "../../../src/messages/p11-server.ts"
import { requestTimes } from "./request-times.ts"

const client = { uid: 1, gid: 1, pid: 1 }
const now = { connections: 3, answering: 2 }
const served = (uri: string, tookMs = 3): P11ServerEvent => ({
  _tag: "RequestServed",
  client,
  operation: "sign",
  uri,
  times: requestTimes(tookMs),
  isSignature: true
})
const seriesValue = (text: string, series: string) =>
  Number(
    text
      .split("\n")
      .find((line) => line.startsWith(`${series} `))
      ?.slice(series.length)
  )

describe("the metrics", () => {
  it("count requests by operation and token, in buckets that add up", () => {
    const metrics = new Metrics()
    for (const ms of [0, 3, 30, 100_000]) metrics.record(served("pkcs11:token=a", ms))
    const refused = { client, operation: "init", uri: undefined, isSignature: false, isAudited: true } as const
    metrics.record({ _tag: "RequestRefused", ...refused, times: requestTimes(1), reason: "no" })
    const text = metrics.text(now)
    const name = "tedge_p11_server_request_duration_seconds"
    const labels = 'operation="sign",token="a"'
    expect(seriesValue(text, `${name}_bucket{${labels},le="0.005"}`)).toBe(2)
    expect(seriesValue(text, `${name}_bucket{${labels},le="60"}`)).toBe(3)
    expect(seriesValue(text, `${name}_bucket{${labels},le="+Inf"}`)).toBe(4)
    expect(seriesValue(text, `${name}_count{${labels}}`)).toBe(4)
    expect(seriesValue(text, 'tedge_p11_server_requests_refused_total{operation="init"}')).toBe(1)
    expect(seriesValue(text, "tedge_p11_server_queue_depth")).toBe(2)
    expect(seriesValue(text, "tedge_p11_server_connections")).toBe(3)
  })

  it("have signatures in the bucket of their time, not of its whole milliseconds", () => {
    const metrics = new Metrics()
    metrics.record(served("pkcs11:token=a", 1.7))
    const name = 'tedge_p11_server_request_duration_seconds_bucket{operation="sign",token="a"'
    expect(seriesValue(metrics.text(now), `${name},le="0.001"}`)).toBe(0)
    expect(seriesValue(metrics.text(now), `${name},le="0.002"}`)).toBe(1)
  })

  it("count recoveries and latches by token", () => {
    const metrics = new Metrics()
    metrics.recordToken({ _tag: "HostReplaced", token: "a", reason: "hung" })
    metrics.recordToken({ _tag: "TokenGone", token: "a", reason: "" })
    metrics.recordToken({ _tag: "TokenPlugged", token: "a" })
    metrics.recordToken({ _tag: "PinLatched", token: "a" })
    const text = metrics.text(now)
    for (const name of [
      "token_hosts_replaced_total",
      "tokens_gone_total",
      "tokens_recovered_total",
      "pin_latched_total"
    ])
      expect(seriesValue(text, `tedge_p11_server_${name}{token="a"}`), name).toBe(1)
  })

  it("stay in the format whatever clients call their tokens, and within bounds", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: "binary" }), { minLength: 260, maxLength: 300 }), (names) => {
        const metrics = new Metrics()
        for (const name of names) {
          metrics.record(served(`pkcs11:token=${encodeURIComponent(Buffer.from(name).toString())}`))
          metrics.recordToken({ _tag: "TokenGone", token: name, reason: "" })
        }
        const lines = metrics.text(now).trimEnd().split("\n")
        for (const line of lines) {
          const outline = line.replace(/"(?:[^"\\]|\\["\\])*"/g, "TEXT")
          expect(outline).toMatch(/^(# (HELP|TYPE) .+|[a-z0-9_]+(\{[a-z]+=TEXT(,[a-z]+=TEXT)*\})? [0-9.e+-]+)$/)
        }
        // Two histograms: of requests, and of signatures.
        expect(lines.length).toBeLessThan(2 * 256 * 20 + 100)
      }),
      { numRuns: 5, endOnFailure: true }
    )
  })
})
