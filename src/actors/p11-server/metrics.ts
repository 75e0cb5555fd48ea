/**
 * Metrics for node_exporter: requests by operation and token with their latency, queue depth, recoveries, latches.
 *
 * Labels come from the tokens that served; names invented by a client take no memory.
 * Source: the text format of Prometheus, version 0.0.4.
 */
import { Result } from "effect"
import type { CryptokiEvent } from "../../messages/cryptoki.ts"
import { type P11ServerEvent, type P11ServerStatus, requestMs } from "../../messages/p11-server.ts"
import { parsePkcs11Uri } from "../../messages/pkcs11-uri.ts"
import { family as familyOf, Histogram, label } from "../../messages/prometheus-text.ts"
import { BoundedMap } from "../../runtime/primitives/bounded-map.ts"

export class Metrics {
  private readonly latencies = new Map<string, Histogram>()
  private readonly signatures = new Map<string, Histogram>()
  private readonly refused = new Map<string, number>()
  private readonly clientsCut = new Map<string, number>()
  private readonly hostsReplaced = new Map<string, number>()
  private readonly tokensGone = new Map<string, number>()
  private readonly tokensBack = new Map<string, number>()
  private readonly latched = new Map<string, number>()
  /** By URI, parsed before: clients use few keys, repeatedly. */
  private readonly tokens = new BoundedMap<string, string>(mostSeries)

  record(event: P11ServerEvent): void {
    if (event._tag === "RequestServed") {
      const token = `token="${label(this.tokenIn(event.uri))}"`
      const tookMs = requestMs(event.times)
      histogramIn(this.latencies, `operation="${event.operation}",${token}`).add(tookMs)
      if (event.isSignature) histogramIn(this.signatures, token).add(tookMs)
    }
    if (event._tag === "RequestRefused") count(this.refused, `operation="${event.operation ?? "unknown"}"`)
    if (event._tag === "ClientAborted") count(this.clientsCut, `reason="${event.reason}"`)
  }

  recordToken(event: CryptokiEvent): void {
    if (event._tag === "HostReplaced") count(this.hostsReplaced, ofToken(event.token))
    if (event._tag === "TokenGone") count(this.tokensGone, ofToken(event.token))
    if (event._tag === "TokenPlugged") count(this.tokensBack, ofToken(event.token))
    if (event._tag === "PinLatched") count(this.latched, ofToken(event.token))
  }

  /** `connections` and `answering` are current values. */
  text({ connections, answering }: Pick<P11ServerStatus, "connections" | "answering">): string {
    return [
      ...family("connections", "gauge", "Clients being served", new Map([["", connections]])),
      ...family("queue_depth", "gauge", "Requests waiting for an answer", new Map([["", answering]])),
      ...histograms("request_duration_seconds", "From the complete request to the answer taken", this.latencies),
      ...histograms("signature_duration_seconds", "The same, of signatures alone", this.signatures),
      ...family("requests_refused_total", "counter", "Requests answered with an error", this.refused),
      ...family("clients_cut_total", "counter", "Connections aborted by the service or the client", this.clientsCut),
      ...family("token_hosts_replaced_total", "counter", "Token hosts replaced", this.hostsReplaced),
      ...family("tokens_gone_total", "counter", "Times a token became unavailable", this.tokensGone),
      ...family("tokens_recovered_total", "counter", "Times a token became available again", this.tokensBack),
      ...family("pin_latched_total", "counter", "Times a token refused its PIN", this.latched),
      ""
    ].join("\n")
  }

  /** The token a request named; empty: the first one. */
  tokenIn(uri: string | undefined): string {
    const known = uri === undefined ? "" : this.tokens.get(uri)
    if (uri === undefined || known !== undefined) return known ?? ""
    const parsed = parsePkcs11Uri(uri)
    const name = Result.isSuccess(parsed) ? (parsed.success.token ?? parsed.success.serial ?? "") : ""
    this.tokens.set(uri, name)
    return name
  }
}

const histogramIn = (series: Map<string, Histogram>, labels: string): Histogram => {
  const known = series.get(labels)
  if (known) return known
  const made = new Histogram()
  if (series.size < mostSeries) series.set(labels, made)
  return made
}

const histograms = (name: string, help: string, series: ReadonlyMap<string, Histogram>): ReadonlyArray<string> => [
  `# HELP ${prefix}${name} ${help}`,
  `# TYPE ${prefix}${name} histogram`,
  ...[...series].flatMap(([labels, histogram]) => histogram.lines(`${prefix}${name}`, labels))
]

const family = (...[name, type, help, values]: Parameters<typeof familyOf>) =>
  familyOf(`${prefix}${name}`, type, help, values)

const count = (counts: Map<string, number>, labels: string): void => {
  if (counts.size < mostSeries || counts.has(labels)) counts.set(labels, (counts.get(labels) ?? 0) + 1)
}

const ofToken = (token: string): string => `token="${label(token)}"`

const prefix = "tedge_p11_server_"
/** Bounds the memory for changing names. */
const mostSeries = 256
