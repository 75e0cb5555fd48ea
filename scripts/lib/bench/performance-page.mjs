/** The tables in docs/performance.md, one for each measurement, which `npm run bench -- --write` writes anew. */

const head = ["measured", "value", "against", "ratio", "95 % interval", "at most"]

/** The page with this table in place of the one it has for `name`. `about` is one sentence: of which version, on which machine. */
export const withMeasurement = (page, name, about, rows) => {
  const begin = `<!-- measured: ${name} -->\n`
  const end = `<!-- end of ${name} -->`
  const [before, rest, ...more] = page.split(begin)
  const [, after] = (rest ?? "").split(end)
  if (more.length > 0 || after === undefined) throw new Error(`docs/performance.md has no place for ${name}`)
  const table = [head, head.map(() => "---"), ...rows.map(cells)].map((line) => `| ${line.join(" | ")} |`)
  return `${before}${begin}\n${about}\n\n${table.join("\n")}\n\n${end}${after}`
}

const cells = ({ what, value, against, interval: { median, low, high }, limit }) => [
  what,
  value,
  against,
  median.toFixed(2),
  `${low.toFixed(2)} to ${high.toFixed(2)}`,
  limit === undefined ? "" : String(Number(limit.toFixed(2)))
]
