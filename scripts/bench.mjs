/**
 * `npm run bench`: measures the built executables and prints a table of ratios.
 *
 * Ratios within one run say something on any machine; seconds do not. Each file of bench/ that ends in .bench.mjs
 * exports `measure`, which answers rows and may draw pictures on the way. With names as arguments only
 * those run: `npm run bench -- start-time`. With `--write` the table of each in docs/performance.md is written anew as soon
 * as it is measured, with its pictures. One that fails does not keep the others from running.
 *
 * A row has samples, each the ratio of one pair measured in turn. It fails when the whole interval of its median is
 * beyond the limit, or beyond what is usual on this machine (bench/history.jsonl); see lib/judge.mjs. Exit code 1 then.
 */
import "./lib/node-version.mjs"
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { availableParallelism } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { earlierMedians, remember, thisMachine } from "./lib/bench/bench-history.mjs"
import { intervalOf, lossSince, verdictOf } from "./lib/bench/judge.mjs"
import { lineChart } from "./lib/bench/line-chart.mjs"
import { withMeasurement } from "./lib/bench/performance-page.mjs"
import { SetupFailed, setup } from "./setup.mjs"

const folder = join(dirname(fileURLToPath(import.meta.url)), "../bench")
const pictures = join(folder, "../docs/pictures")
const performancePage = join(folder, "../docs/performance.md")
const historyFile = join(folder, "history.jsonl")
const suffix = ".bench.mjs"

/** A file of that name in docs/pictures. The chart is one of lib/line-chart.mjs. */
const draw = (name, chart) => {
  mkdirSync(pictures, { recursive: true })
  writeFileSync(join(pictures, `${name}.svg`), lineChart(chart))
}

const head = ["measured", "value", "against", "ratio", "95 % interval", "samples", "at most", "usual", "verdict"]

const main = async (words) => {
  const accepts = words.includes("--accept")
  const writes = words.includes("--write")
  const names = words.filter((word) => word !== "--accept" && word !== "--write")
  const known = readdirSync(folder).flatMap((file) => (file.endsWith(suffix) ? [file.slice(0, -suffix.length)] : []))
  const unknown = names.filter((name) => !known.includes(name))
  if (unknown.length > 0)
    throw new SetupFailed(`no such measurement: ${unknown.join(", ")}; there are: ${known.join(", ")}`)
  await setup("demo")
  printLine(head)
  printLine(head.map(() => "---"))
  for (const name of names.length > 0 ? names : known) {
    try {
      await one(name, accepts, writes)
    } catch (error) {
      console.error(`bench: ${name}:`, error)
      process.exitCode = 1
    }
  }
}

const one = async (name, accepts, writes) => {
  const { measure } = await import(join(folder, name + suffix))
  const rows = await measure({ draw: writes ? draw : () => undefined })
  const measured = rows.map((row) => ({ ...row, interval: intervalOf(row.samples) }))
  for (const row of measured) judge({ ...row, what: `${name}: ${row.what}` }, accepts)
  if (writes)
    writeFileSync(performancePage, withMeasurement(readFileSync(performancePage, "utf8"), name, about(name), measured))
}

const about = (name) => {
  const { version } = JSON.parse(readFileSync(join(folder, "../package.json"), "utf8"))
  const isReleased = !readFileSync(join(folder, "../CHANGELOG.md"), "utf8").includes("\n## Unreleased\n")
  const of = isReleased ? version : `${version} and the unreleased changes`
  const day = new Date().toISOString().slice(0, 10)
  return `\`${name}\`: measured with version ${of} on ${day}, Node ${process.version}, ${availableParallelism()} processors.`
}

const judge = ({ what, value, against, interval, limit }, accepts) => {
  const machine = thisMachine()
  const { median, low, high, n } = interval
  const history = lossSince(interval, earlierMedians(historyFile, { machine, what }))
  const isLoss = history?.isLoss === true && !accepts
  const verdict = limit === undefined ? "" : verdictOf(interval, limit)
  if (!isLoss) remember(historyFile, { machine, what, at: new Date().toISOString(), median, low, high, n })
  if (isLoss || verdict === "over") process.exitCode = 1
  const numbers = [median.toFixed(2), `${low.toFixed(2)} to ${high.toFixed(2)}`, n, limit?.toFixed(2) ?? ""]
  printLine([what, value, against, ...numbers, history?.usual.toFixed(2) ?? "", isLoss ? `${verdict} LOSS` : verdict])
}

const printLine = (cells) => console.log(`| ${cells.join(" | ")} |`)

try {
  await main(process.argv.slice(2))
} catch (error) {
  if (!(error instanceof SetupFailed)) throw error
  console.error(`bench: ${error.message}`)
  process.exitCode = 1
}
