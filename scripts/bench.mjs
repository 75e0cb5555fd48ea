/**
 * `npm run bench`: measures the built executables and prints a table of ratios.
 *
 * Ratios within one run say something on any machine; seconds do not. Each file of bench/ that ends in .bench.mjs
 * exports `measure`, which answers rows and may draw pictures on the way, into docs/pictures. With names as arguments only
 * those run: `npm run bench -- start-time`.
 */
import "./lib/node-version.mjs"
import { mkdirSync, readdirSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { lineChart } from "./lib/line-chart.mjs"
import { SetupFailed, setup } from "./setup.mjs"

const folder = join(dirname(fileURLToPath(import.meta.url)), "../bench")
const pictures = join(folder, "../docs/pictures")
const suffix = ".bench.mjs"

/** A file of that name in docs/pictures. The chart is one of lib/line-chart.mjs. */
const draw = (name, chart) => {
  mkdirSync(pictures, { recursive: true })
  writeFileSync(join(pictures, `${name}.svg`), lineChart(chart))
}

const main = async (names) => {
  const known = readdirSync(folder).flatMap((file) => (file.endsWith(suffix) ? [file.slice(0, -suffix.length)] : []))
  const unknown = names.filter((name) => !known.includes(name))
  if (unknown.length > 0)
    throw new SetupFailed(`no such measurement: ${unknown.join(", ")}; there are: ${known.join(", ")}`)
  await setup("demo")
  console.log("| measured | value | against | ratio | at most |\n| --- | --- | --- | --- | --- |")
  for (const name of names.length > 0 ? names : known) {
    const { measure } = await import(join(folder, name + suffix))
    for (const row of await measure({ draw })) {
      console.log(
        `| ${[row.what, row.value, row.against, row.ratio.toFixed(2), row.limit?.toFixed(2) ?? ""].join(" | ")} |`
      )
      if (row.limit !== undefined && row.ratio > row.limit) process.exitCode = 1
    }
  }
}

try {
  await main(process.argv.slice(2))
} catch (error) {
  if (!(error instanceof SetupFailed)) throw error
  console.error(`bench: ${error.message}`)
  process.exitCode = 1
}
