/** Formats numbers of a snapshot. */
import type { History } from "../../../messages/status/snapshot.ts"

/** `3 d 4 h`, `5 min 10 s`: two units at most. */
export const span = (ms: number): string => {
  const whole = Math.max(0, Math.floor(ms / 1000))
  const parts = [
    [Math.floor(whole / 86_400), "d"],
    [Math.floor(whole / 3600) % 24, "h"],
    [Math.floor(whole / 60) % 60, "min"],
    [whole % 60, "s"]
  ] as const
  const first = parts.findIndex(([value]) => value > 0)
  if (first < 0) return "0 s"
  return parts
    .slice(first, first + 2)
    .filter(([value]) => value > 0)
    .map(([value, unit]) => `${value} ${unit}`)
    .join(" ")
}

/** `12 ms`, `1.5 s`. */
export const duration = (ms: number): string =>
  ms < 1 ? "under 1 ms" : ms < 1000 ? `${Math.round(ms)} ms` : ms < 60_000 ? `${(ms / 1000).toFixed(1)} s` : span(ms)

/** Powers of 1000, as in networks. */
export const bytes = (count: number): string => {
  const units = ["B", "kB", "MB", "GB", "TB"]
  let value = count
  let unit = 0
  for (; value >= 999.5 && unit < units.length - 1; unit += 1) value /= 1000
  return `${unit === 0 ? Math.round(value) : value.toFixed(value < 10 ? 1 : 0)} ${units[unit]}`
}

export const rate = (perSecond: number): string =>
  perSecond === 0 ? "0" : perSecond < 10 ? perSecond.toFixed(1) : String(Math.round(perSecond))

/** One character per value, the last `width` of them. */
export const sparkline = (values: ReadonlyArray<number>, width: number): string => {
  const shown = values.slice(-Math.max(1, width))
  const most = Math.max(...shown, 0)
  return shown
    .map((value) => (value <= 0 ? blocks[0] : blocks[Math.max(1, Math.ceil((value / most) * (blocks.length - 1)))]))
    .join("")
}

const blocks = [..."▁▂▃▄▅▆▇█"]

/** Current throughput of a direction of the bridge: from the last two complete buckets of its history. */
export const perSecond = ({ bucket_ms, messages, bytes }: History): { messages: number; octets: number } => {
  const mean = (values: ReadonlyArray<number>) => {
    const over = values.slice(-3, -1)
    return over.length === 0 ? 0 : (over.reduce((sum, value) => sum + value, 0) * 1000) / (over.length * bucket_ms)
  }
  return { messages: mean(messages), octets: mean(bytes) }
}
