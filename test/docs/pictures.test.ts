/** The maker of the benches' pictures, and the pictures docs/performance.md shows. */
import { readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { type Chart, type Line, lineChart, type Scale } from "../../scripts/lib/bench/line-chart.mjs"

const root = join(dirname(fileURLToPath(import.meta.url)), "../..")

describe("lineChart", () => {
  it("is well-formed and keeps every point inside the frame, whatever the names and numbers", () => {
    fc.assert(
      fc.property(chart, (drawn) => {
        const svg = lineChart(drawn)
        expect(problemsOf(svg)).toEqual([])
        expect(svg).not.toMatch(/NaN|Infinity|undefined/)
        const points = pointsOf(svg)
        expect(points).toHaveLength(drawn.lines.flatMap(({ points }) => points).length)
        expect(points.filter(([x, y]) => x < 72 || x > 736 || y < 96 || y > 368)).toEqual([])
      })
    )
  })

  it("says what it shows to those who do not see it", () => {
    const svg = lineChart({ ...simple, title: "a < b & c", description: '"d"' })
    expect(svg).toContain('<title id="title">a &lt; b &amp; c</title>')
    expect(svg).toContain('<desc id="desc">&quot;d&quot;</desc>')
    expect(svg).toContain("prefers-color-scheme:dark")
  })

  it("writes round values beside its axes", () => {
    expect(ticksOf(simple)).toEqual(["0", "5", "10", "15", "20", "25"].concat("0", "0.5", "1", "1.5", "2"))
    const scales: Partial<Chart> = { x: { label: "", scale: "percentile" }, y: { label: "", scale: "log" } }
    const points: Line["points"] = [
      [0, 0.3],
      [99, 15]
    ]
    expect(ticksOf({ ...simple, ...scales, lines: [{ name: "", points }] })).toEqual(
      ["0.2", "0.5", "1", "2", "5", "10", "20"].concat("0", "50", "90", "99")
    )
  })

  it.each<[Scale, number]>([
    ["linear", Number.NaN],
    ["log", 0],
    ["log", -1],
    ["percentile", 100]
  ])("refuses a point that has no place on a %s scale: %d", (scale, value) => {
    const refused = { ...simple, x: { label: "", scale }, lines: [{ name: "", points: [[value, 1]] as const }] }
    expect(() => lineChart(refused)).toThrow(`a point has no place on a ${scale} scale`)
  })

  it("refuses more lines than can be distinguished", () => {
    const line = { name: "", points: [[1, 1]] as const }
    expect(() => lineChart({ ...simple, lines: [line, line, line, line, line] })).toThrow("at most 4 lines")
  })
})

describe("the pictures of docs/performance.md", () => {
  const page = readFileSync(join(root, "docs/performance.md"), "utf8")
  const shown = [...page.matchAll(/!\[[^\]]+\]\((pictures\/[^)]+)\)/g)].map(([, path = ""]) => path)

  it("are there", () => expect(shown.length).toBeGreaterThan(0))

  it.each(shown)("%s is a picture", (path) => {
    const svg = readFileSync(join(root, "docs", path), "utf8")
    expect(problemsOf(svg)).toEqual([])
    expect(pointsOf(svg).length).toBeGreaterThan(5)
  })
})

const simple: Chart = {
  title: "",
  description: "",
  x: { label: "" },
  y: { label: "" },
  lines: [
    {
      name: "",
      points: [
        [0, 0],
        [2, 25]
      ]
    }
  ]
}

const words = fc.string({ unit: "binary" })

const chart: fc.Arbitrary<Chart> = fc
  .record({ x: fc.constantFrom("linear", "log", "percentile"), y: fc.constantFrom("linear", "log") } as const)
  .chain(({ x, y }) => {
    const points = fc.array(fc.tuple(valueOn(x), valueOn(y)), { minLength: 1, maxLength: 8 })
    const line = fc.record({ name: words, points, dashed: fc.boolean(), marks: fc.boolean() })
    return fc.record({
      title: words,
      description: words,
      x: fc.record({ label: words, scale: fc.constant(x) }),
      y: fc.record({ label: words, scale: fc.constant(y) }),
      lines: fc.array(line, { minLength: 1, maxLength: 4 })
    })
  })

const valueOn = (scale: Scale): fc.Arbitrary<number> =>
  scale === "linear"
    ? fc.double({ min: -1e9, max: 1e9, noNaN: true })
    : scale === "log"
      ? fc.double({ min: 1e-6, max: 1e9, noNaN: true })
      : fc.double({ min: 0, max: 99.999, noNaN: true })

/** Where the lines go: all paths of the class but the short ones of the legend. */
const pointsOf = (svg: string): ReadonlyArray<readonly [number, number]> =>
  [...svg.matchAll(/class="line [^"]*" d="([^"h]*)"/g)].flatMap(([, path = ""]) =>
    [...path.matchAll(/[ML](-?[\d.]+) (-?[\d.]+)/g)].map(([, x, y]) => [Number(x), Number(y)] as const)
  )

const ticksOf = (drawn: Chart): ReadonlyArray<string> =>
  [...lineChart(drawn).matchAll(/class="(?:end|middle)" x="[\d.]+" y="[\d.]+">([\d.,]+)</g)].map(
    ([, tick = ""]) => tick
  )

/** What keeps a text from being XML: tags that do not pair, characters XML has not, an & that starts nothing. */
const problemsOf = (svg: string): ReadonlyArray<string> => {
  const problems: Array<string> = []
  const open: Array<string> = []
  for (const [tag, closing, name = "", ending] of svg.matchAll(/<(\/?)([a-z]+)(?: [a-zA-Z:-]+="[^"<]*")*(\/?)>/g)) {
    if (closing === "/" && open.pop() !== name) problems.push(`${tag} closes nothing`)
    if (closing === "" && ending === "") open.push(name)
  }
  if (open.length > 0) problems.push(`not closed: ${open.join(", ")}`)
  const between = svg.replace(/<\/?[a-z]+(?: [a-zA-Z:-]+="[^"<]*")*\/?>/g, "")
  if (between.includes("<")) problems.push("a < that starts no tag")
  if (/&(?!(amp|lt|gt|quot);)/.test(svg)) problems.push("an & that starts nothing")
  if (/[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/u.test(svg)) problems.push("a forbidden character")
  return problems
}
