/** Runs vitest in a temporary directory of its own and tells the outcome in words. Shared by `npm test` and `npm run unit`. */
import { existsSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { stripVTControlCharacters } from "node:util"
import { inOwnDirectory } from "./own-directory.mjs"
import { readableCheckout } from "./readable-checkout.mjs"
import { run } from "./run.mjs"

const root = join(dirname(fileURLToPath(import.meta.url)), "../..")

/**
 * `failures` and `leftOut` are lines to print. `problem`: why the run counts as failed, or undefined.
 * With CI in the environment a test that was left out is a failure.
 *
 * `onceMore`: up to three files with failures run a second time with nothing beside them. What passes then counts as
 * passed, and `unsteady` names it with its first failure: a defect of the test, or a race of the product, to be mended.
 */
export const runTests = (args = [], { onceMore = false } = {}) =>
  inOwnDirectory(async ({ env, dir }) => {
    const checkout = readableCheckout(root, dir)
    const first = await vitest(checkout, args, env, join(dir, "report.json"))
    if (!onceMore || first.report === undefined) return { ...outcome(first), unsteady: [] }
    const files = [...new Set(first.report.failures.map(({ file }) => file))]
    if (files.length === 0 || files.length > 3 || !files.every((file) => existsSync(join(checkout, file))))
      return { ...outcome(first), unsteady: [] }
    console.log(`\nonce more, with nothing beside them: ${files.join(", ")}`)
    return settled(first, await vitest(checkout, files, env, join(dir, "second-report.json")))
  })

const vitest = async (checkout, args, env, file) => {
  const reporters = ["--reporter=default", `--reporter=${join(checkout, "scripts/lib/test-report.mjs")}`]
  const words = [join(checkout, "node_modules/vitest/vitest.mjs"), "run", ...reporters, ...args]
  // Vitest itself writes no snapshot when CI is set.
  const { code, signal } = await run(process.execPath, words, {
    cwd: checkout,
    show: true,
    env: { ...env, CI: "true", TEDGE_TEST_REPORT: file }
  })
  const report = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : undefined
  return { report, end: signal ?? `exit code ${code}` }
}

/** The second run's word counts, if it ran to its end. */
const settled = (first, second) => {
  if (second.report === undefined || second.report.passed === 0) return { ...outcome(first), unsteady: [] }
  const failures = second.report.failures
  const unsteady = first.report.failures.filter(
    ({ file, name }) => !failures.some((again) => again.file === file && again.name === name)
  )
  const report = { ...first.report, failures, passed: first.report.passed + unsteady.length }
  const lines = unsteady.map((failure) => failureLine(failure).replace("FAILED", "passed only alone:"))
  return { ...outcome({ report, end: second.end }), unsteady: lines }
}

const outcome = ({ report, end }) => {
  if (report === undefined) {
    const problem = `vitest ended with ${end} before it had run the tests`
    return { passed: 0, failed: 1, failures: [], leftOut: [], problem }
  }
  const { passed, failures, skipped } = report
  const leftOut = skipped.map(({ file, name }) => `left out: ${file}: ${name}`)
  const unwanted = isCi() ? skipped.length : 0
  const counted = { passed, failed: failures.length, failures: failures.map(failureLine), leftOut }
  if (failures.length > 0) return { ...counted, problem: `${failures.length} failed` }
  if (unwanted > 0)
    return { ...counted, failed: unwanted, problem: `${unwanted} tests were left out, which CI does not allow` }
  if (passed === 0) return { ...counted, failed: 1, problem: "no test was run" }
  return end === "exit code 0" ? counted : { ...counted, failed: 1, problem: `vitest ended with ${end}` }
}

const isCi = () => !["", "0", "false", undefined].includes(process.env.CI?.toLowerCase())

const failureLine = ({ file, name, message }) =>
  [`FAILED ${file}`, name, firstLines(message)].filter((part) => part !== undefined).join(": ")

const firstLines = (text) => stripVTControlCharacters(text).split("\n").slice(0, 6).join(" | ").slice(0, 400)

/** The last line of a run. */
export const countLine = ({ passed, failed }) => `${passed} passed, ${failed} failed`

/** A summary of many tests that need the same thing is one line for each file. */
export const leftOutLines = (leftOut) =>
  leftOut.length === 0 ? [] : [...leftOut, `${leftOut.length} tests left out; CI=true demands them all`]
