/** The measured table in docs/performance.md, which `npm run bench -- --write` writes anew. */

const begin = "<!-- measurements: written by npm run bench -- --write -->"
const end = "<!-- end of measurements -->"
const head = ["measured", "value", "against", "ratio", "at most"]

/** The page with this table in place of the one it has. `about` is one sentence: of which version, on which machine. */
export const withMeasurements = (page, about, rows) => {
  const [before, rest, ...more] = page.split(`${begin}\n`)
  const [, after] = (rest ?? "").split(end)
  if (more.length > 0 || after === undefined) throw new Error("docs/performance.md has no place for the measurements")
  const table = [head, head.map(() => "---"), ...rows.map(cells)].map((line) => `| ${line.join(" | ")} |`)
  return `${before}${begin}\n\n${about}\n\n${table.join("\n")}\n\n${end}${after}`
}

const cells = ({ what, value, against, median, limit }) => [
  what,
  value,
  against,
  median.toFixed(2),
  limit === undefined ? "" : String(Number(limit.toFixed(2)))
]
