/**
 * What benches found before, one line of JSON for each row of a run; for the same machine and Node only.
 *
 * A row that is a loss is not written, or the loss would become what is usual: `npm run bench -- --accept` does.
 */
import { appendFileSync, existsSync, readFileSync } from "node:fs"
import { cpus } from "node:os"

export const thisMachine = () => `${cpus()[0]?.model ?? process.arch} x ${cpus().length}, Node ${process.versions.node}`

/** Medians of the row, oldest first. A line that cannot be read is skipped. */
export const earlierMedians = (file, { machine, what }) =>
  !existsSync(file)
    ? []
    : readFileSync(file, "utf8")
        .split("\n")
        .flatMap((line) => parsed(line) ?? [])
        .filter((entry) => entry.machine === machine && entry.what === what)
        .map(({ median }) => median)

export const remember = (file, entry) => appendFileSync(file, `${JSON.stringify(entry)}\n`)

const parsed = (line) => {
  try {
    const entry = JSON.parse(line)
    return Number.isFinite(entry.median) ? entry : undefined
  } catch {
    return undefined
  }
}
