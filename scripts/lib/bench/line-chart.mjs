/**
 * Draws lines over two axes as an SVG picture, light or dark as the reader's screen is.
 *
 * Text is as wide as we guess it, no font is asked: the guess is a generous one. A point that is no number, or has no
 * place on its scale, is refused; nothing is left out silently.
 */

const size = { width: 760, height: 420 }
const frame = { left: 72, right: 736, top: 96, bottom: 368 }
const letterWidth = 7
const shapes = ["circle", "square", "triangle", "diamond"]

/** The SVG of `chart`: see line-chart.d.mts. */
export const lineChart = ({ title, description, x, y, lines }) => {
  if (lines.length > shapes.length) throw new RangeError(`at most ${shapes.length} lines can be told apart`)
  const across = axis(
    x,
    lines.flatMap(({ points }) => points.map(([value]) => value))
  )
  const up = axis(
    y,
    lines.flatMap(({ points }) => points.map(([, value]) => value))
  )
  const xAt = (value) => frame.left + across.part(value) * (frame.right - frame.left)
  const yAt = (value) => frame.bottom - up.part(value) * (frame.bottom - frame.top)
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size.width} ${size.height}" width="${size.width}" height="${size.height}" role="img" aria-labelledby="title desc">`,
    `<title id="title">${escaped(title)}</title>`,
    `<desc id="desc">${escaped(description)}</desc>`,
    `<style>${style}</style>`,
    `<rect class="paper" width="${size.width}" height="${size.height}"/>`,
    text(16, 28, title, "title"),
    ...legend(lines),
    text(16, frame.top - 16, y.label),
    text(frame.right, frame.bottom + 40, x.label, "end"),
    ...up.ticks.flatMap((tick) => [
      `<path class="grid" d="M${frame.left} ${round(yAt(tick))}H${frame.right}"/>`,
      text(frame.left - 8, yAt(tick) + 4, shown(tick), "end")
    ]),
    ...across.ticks.flatMap((tick) => [
      `<path class="grid" d="M${round(xAt(tick))} ${frame.top}V${frame.bottom}"/>`,
      text(xAt(tick), frame.bottom + 20, shown(tick), "middle")
    ]),
    ...lines.flatMap((line, n) => drawn(line, n, xAt, yAt)),
    "</svg>",
    ""
  ].join("\n")
}

/** Where a value lies between the two ends of an axis, from 0 to 1, and which values are written beside it. */
const axis = ({ scale = "linear", ticks }, values) => {
  const { place, ticksFor } = scales[scale]
  if (values.length === 0 || !values.every((value) => Number.isFinite(value) && Number.isFinite(place(value))))
    throw new RangeError(`a point has no place on a ${scale} scale`)
  const lowest = Math.min(...values)
  const highest = Math.max(...values)
  const marks = ticks ?? ticksFor(lowest, highest)
  const from = Math.min(place(lowest), place(marks[0]))
  const to = Math.max(place(highest), place(marks.at(-1)))
  return { ticks: marks, part: (value) => (to === from ? 0.5 : (place(value) - from) / (to - from)) }
}

/** From zero to above the highest, in steps of 1, 2 or 5 times a power of ten. */
const linearTicks = (lowest, highest) => {
  const wide = Math.max(highest, 0) - Math.min(lowest, 0)
  // What is next to nothing is drawn as nothing: below it a tenth of a number may be zero.
  const span = wide > 1e-300 ? wide : 1
  const power = 10 ** Math.floor(Math.log10(span / 6))
  const step = power * [1, 2, 5, 10].find((factor) => span / (factor * power) <= 6)
  const [from, to] = [Math.floor(Math.min(lowest, 0) / step), Math.ceil(Math.max(highest, 0) / step) || 1]
  return Array.from({ length: to - from + 1 }, (_, n) => (from + n) * step)
}

/** 1, 2 and 5 of each power of ten, or the powers alone where these are many; the ends lie outside of the values. */
const logTicks = (lowest, highest) => {
  // A logarithm is rounded: what lies just below a power of ten would pass for it.
  const powers = [Math.floor(Math.log10(lowest) - 1e-9), Math.ceil(Math.log10(highest) + 1e-9)]
  const factors = powers[1] - powers[0] > 3 ? [1] : [1, 2, 5]
  const all = []
  for (let power = powers[0]; power <= powers[1]; power++) all.push(...factors.map((factor) => factor * 10 ** power))
  const first = all.findLastIndex((tick) => tick <= lowest)
  const last = all.findIndex((tick) => tick >= highest)
  return all.slice(first, last < 0 ? undefined : last + 1)
}

const percentileTicks = (_lowest, highest) =>
  [0, 50, 90, 99, 99.9, 99.99].filter((tick) => tick === 0 || tick <= highest)

const scales = {
  linear: { place: (value) => value, ticksFor: linearTicks },
  log: { place: Math.log10, ticksFor: logTicks },
  /** Each further nine takes the same room. */
  percentile: { place: (value) => -Math.log10(1 - value / 100), ticksFor: percentileTicks }
}

const drawn = ({ points, dashed = false, marks = true }, n, xAt, yAt) => {
  const places = points.map(([x, y]) => [round(xAt(x)), round(yAt(y))])
  const path = places.map(([x, y], at) => `${at === 0 ? "M" : "L"}${x} ${y}`).join("")
  return [
    `<path class="line line${n}${dashed ? " dashed" : ""}" d="${path}"/>`,
    ...(marks ? places.map(([x, y]) => mark(x, y, n)) : [])
  ]
}

/** The lines differ by shape too: not all readers see the colours. */
const mark = (x, y, n) => {
  const at = (dx, dy) => `${round(x + dx)} ${round(y + dy)}`
  const outline = {
    circle: `M${at(-4, 0)}a4 4 0 1 0 8 0a4 4 0 1 0 -8 0Z`,
    square: `M${at(-3.5, -3.5)}h7v7h-7Z`,
    triangle: `M${at(0, -5)}l4.5 8h-9Z`,
    diamond: `M${at(0, -5)}l5 5l-5 5l-5 -5Z`
  }
  return `<path class="mark mark${n}" d="${outline[shapes[n]]}"/>`
}

/** In one row under the title; a second row where one is too short. */
const legend = (lines) => {
  let [x, y] = [16, 52]
  return lines.flatMap(({ name, dashed = false, marks = true }, n) => {
    const width = 34 + name.length * letterWidth
    if (x + width > size.width && x > 16) [x, y] = [16, y + 18]
    const at = x
    x += width + 16
    return [
      `<path class="line line${n}${dashed ? " dashed" : ""}" d="M${at} ${y - 4}h28"/>`,
      ...(marks ? [mark(at + 14, y - 4, n)] : []),
      text(at + 34, y, name)
    ]
  })
}

const text = (x, y, words, kind = "") =>
  `<text${kind === "" ? "" : ` class="${kind}"`} x="${round(x)}" y="${round(y)}">${escaped(words)}</text>`

const shown = (tick) => Number(tick.toPrecision(6)).toLocaleString("en-GB", { maximumFractionDigits: 6 })

const round = (value) => Math.round(value * 10) / 10

const escaped = (words) =>
  words
    .replace(/[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/gu, "�")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")

const colours = (paper, ink, grid, lines) =>
  [
    `.paper{fill:${paper}}text{fill:${ink}}.grid{stroke:${grid}}`,
    ...lines.map((colour, n) => `.line${n}{stroke:${colour}}.mark${n}{fill:${colour}}`)
  ].join("")

const style = [
  "text{font:13px system-ui,sans-serif}.title{font-size:16px;font-weight:600}",
  ".end{text-anchor:end}.middle{text-anchor:middle}",
  ".grid,.line{fill:none}.line{stroke-width:2;stroke-linejoin:round}.dashed{stroke-dasharray:6 4}",
  colours("#ffffff", "#1f2328", "#d8dee4", ["#0969da", "#bc4c00", "#1a7f37", "#8250df"]),
  `@media (prefers-color-scheme:dark){${colours("#0d1117", "#e6edf3", "#30363d", ["#58a6ff", "#f0883e", "#56d364", "#d2a8ff"])}}`
].join("")
