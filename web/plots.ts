/** Throughput and latency of the last minutes. */
import uPlot from "uplot"
import { byId } from "./dom.ts"
import type { Point, Service } from "./store.ts"

interface Plot {
  readonly id: string
  readonly series: ReadonlyArray<{
    readonly label: string
    readonly color: string
    readonly of: (point: Point) => number | null
  }>
}

const plots: ReadonlyArray<Plot> = [
  {
    id: "throughput",
    series: [
      { label: "to the cloud", color: "--one", of: ({ out }) => out },
      { label: "from the cloud", color: "--two", of: (point) => point.in }
    ]
  },
  {
    id: "latency",
    series: [
      { label: "message", color: "--one", of: ({ message }) => message },
      { label: "signature", color: "--two", of: ({ signature }) => signature }
    ]
  }
]

const drawn = new Map<string, uPlot>()

export const showPlots = ({ points }: Service): void => {
  for (const plot of plots) {
    const data: uPlot.AlignedData = [points.map(({ at }) => at), ...plot.series.map(({ of }) => points.map(of))]
    const known = drawn.get(plot.id)
    if (known === undefined) drawn.set(plot.id, made(plot, data))
    else known.setData(data)
  }
}

const color = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name)

const made = ({ id, series }: Plot, data: uPlot.AlignedData): uPlot => {
  const axis = () => ({ stroke: () => color("--soft"), grid: { stroke: () => color("--line"), width: 1 }, size: 46 })
  return new uPlot(
    {
      width: byId(id).clientWidth || 320,
      height: 180,
      cursor: { drag: { x: false, y: false } },
      scales: { y: { range: (_plot, _min, max) => [0, Math.max(max * 1.1, 1)] } },
      axes: [{ ...axis(), size: 44 }, axis()],
      series: [
        {},
        ...series.map(({ label, color: name }) => ({
          label,
          stroke: () => color(name),
          width: 2,
          spanGaps: true,
          points: { show: label === "message", size: 5 },
          value: (_plot: uPlot, value: number | null) => (value === null ? "–" : value.toFixed(1))
        }))
      ]
    },
    data,
    byId(id)
  )
}

const resized = new ResizeObserver((entries) => {
  for (const { target, contentRect } of entries)
    drawn.get(target.id)?.setSize({ width: Math.max(contentRect.width, 100), height: 180 })
})
for (const { id } of plots) resized.observe(byId(id))

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  for (const plot of drawn.values()) plot.redraw()
})
