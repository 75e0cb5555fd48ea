/** Prints metrics for Prometheus. Source: the text format of Prometheus, version 0.0.4. */
import { controlsReplaced } from "./shown-text.ts"

/** Of durations in milliseconds; printed in seconds. */
export class Histogram {
  private readonly counts: Array<number> = bucketsMs.map(() => 0)
  private total = 0
  private sumMs = 0

  add(ms: number, times = 1): void {
    this.total += times
    this.sumMs += ms * times
    const bucket = bucketsMs.findIndex((limit) => ms <= limit)
    if (bucket >= 0) this.counts[bucket] = (this.counts[bucket] ?? 0) + times
  }

  lines(name: string, labels: string): ReadonlyArray<string> {
    let below = 0
    const buckets = bucketsMs.map((limit, index) => {
      below += this.counts[index] ?? 0
      return `${name}_bucket{${labels},le="${limit / 1000}"} ${below}`
    })
    return [
      ...buckets,
      `${name}_bucket{${labels},le="+Inf"} ${this.total}`,
      `${name}_sum{${labels}} ${this.sumMs / 1000}`,
      `${name}_count{${labels}} ${this.total}`
    ]
  }
}

export const family = (name: string, type: "gauge" | "counter", help: string, values: ReadonlyMap<string, number>) => [
  `# HELP ${name} ${help}`,
  `# TYPE ${name} ${type}`,
  ...[...values].map(([labels, value]) => `${name}${labels === "" ? "" : `{${labels}}`} ${value}`)
]

export const label = (text: string): string =>
  controlsReplaced(text.slice(0, 64).replaceAll("\\", "\\\\").replaceAll('"', '\\"'), " ")

const bucketsMs = [0.5, 1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000]
