/**
 * Durations: `60s`, `1h 30m`, `365d`, or whole seconds.
 *
 * Source: the syntax of Rust's humantime, which thin-edge's settings use.
 */

/** Milliseconds; undefined: not a duration. Fractions of a millisecond are truncated. */
export const durationMs = (text: string): number | undefined => {
  const trimmed = text.trim()
  if (/^\d{1,12}$/.test(trimmed)) return Number(trimmed) * 1000
  if (!/^(\d{1,12}\s*[a-zA-Z]+\s*)+$/.test(trimmed)) return undefined
  let total = 0
  for (const [, amount, unit] of trimmed.matchAll(/(\d+)\s*([a-zA-Z]+)/g)) {
    const size = unitMs.get(unit ?? "")
    if (size === undefined) return undefined
    total += Number(amount) * size
  }
  return Math.trunc(total)
}

const secondMs = 1000
const dayMs = 86_400 * secondMs

/** humantime's months and years are averages. */
const unitMs: ReadonlyMap<string, number> = new Map(
  (
    [
      [1e-6, ["ns", "nsec", "nanos"]],
      [1e-3, ["us", "usec", "micros"]],
      [1, ["ms", "msec", "millis"]],
      [secondMs, ["s", "sec", "secs", "second", "seconds"]],
      [60 * secondMs, ["m", "min", "mins", "minute", "minutes"]],
      [3600 * secondMs, ["h", "hr", "hrs", "hour", "hours"]],
      [dayMs, ["d", "day", "days"]],
      [7 * dayMs, ["w", "wk", "wks", "week", "weeks"]],
      [30.44 * dayMs, ["M", "month", "months"]],
      [365.25 * dayMs, ["y", "yr", "yrs", "year", "years"]]
    ] satisfies ReadonlyArray<readonly [number, ReadonlyArray<string>]>
  ).flatMap(([size, names]) => names.map((name): [string, number] => [name, size]))
)
