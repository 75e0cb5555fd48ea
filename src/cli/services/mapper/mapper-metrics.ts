/** Metrics of a mapper for Prometheus: messages by direction, durations of signatures and acknowledgements. */
import type { BridgeStatus } from "../../../messages/bridge.ts"
import { family, Histogram, label } from "../../../messages/prometheus-text.ts"
import type { Measurement } from "../../../runtime/measurements.ts"

export class MapperMetrics {
  private readonly times = new Map<string, Map<string, Histogram>>()

  readonly record = ({ name, ms, times, labels }: Measurement): void => {
    const series = this.times.get(name) ?? new Map<string, Histogram>()
    this.times.set(name, series)
    const key = Object.entries(labels)
      .map(([label_, value]) => `${label_}="${label(value)}"`)
      .join(",")
    const histogram = series.get(key) ?? new Histogram()
    if (series.size < maxSeries) series.set(key, histogram)
    histogram.add(ms, times)
  }

  /** `status`: current; undefined: the bridge does not respond. */
  text(status: BridgeStatus | undefined): string {
    return [
      ...(status === undefined ? [] : bridgeLines(status)),
      ...this.histogramLines("signature", "From the request for a signature to its answer"),
      ...this.histogramLines("puback", "From PUBLISH to PUBACK"),
      ""
    ].join("\n")
  }

  private histogramLines(name: Measurement["name"], help: string): ReadonlyArray<string> {
    const full = `${prefix}${name}_duration_seconds`
    const series = this.times.get(name) ?? new Map<string, Histogram>()
    return [
      `# HELP ${full} ${help}`,
      `# TYPE ${full} histogram`,
      ...[...series].flatMap(([labels, histogram]) => histogram.lines(full, labels))
    ]
  }
}

const bridgeLines = ({ health, local, cloud, counters }: BridgeStatus): ReadonlyArray<string> => {
  const gauge = (is: boolean) => (is ? 1 : 0)
  const up = new Map([
    [`side="local"`, gauge(local._tag === "Up")],
    [`side="cloud"`, gauge(cloud._tag === "Up")]
  ])
  const messages = new Map([
    [`direction="outbound"`, counters.outbound],
    [`direction="inbound"`, counters.inbound]
  ])
  const one = (value: number) => new Map([["", value]])
  return [
    ...family(`${prefix}up`, "gauge", "1: the bridge is up", one(gauge(health === "up"))),
    ...family(`${prefix}link_up`, "gauge", "1: connected to this broker", up),
    ...family(`${prefix}messages_total`, "counter", "Messages passed on", messages),
    ...family(`${prefix}messages_dropped_total`, "counter", "Messages given up", one(counters.dropped)),
    ...family(`${prefix}messages_waiting`, "gauge", "Messages not acknowledged yet", one(counters.waiting))
  ]
}

const prefix = "tedge_mapper_"
const maxSeries = 64
