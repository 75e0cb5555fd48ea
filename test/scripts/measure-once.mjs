/**
 * The least a measurement of bench/ can do, in a process of its own: its rows as one line of JSON.
 *
 *   node measure-once.mjs NAME [NODE]     NODE: in place of this Node where the measurement runs one
 */
import { lineChart } from "../../scripts/lib/bench/line-chart.mjs"

const [, , name, node] = process.argv
if (node !== undefined) process.execPath = node
const { measure } = await import(`../../bench/${name}.bench.mjs`)
const rows = await measure({ draw: (_file, chart) => lineChart(chart), effort: "smoke" })
console.log(JSON.stringify(rows))
