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
 */
export const runTests = (args = []) =>
  inOwnDirectory(async ({ env, dir }) => {
    const file = join(dir, "report.json")
    const { code, signal } = await vitest(readableCheckout(root, dir), args, { ...env, TEDGE_TEST_REPORT: file })
    return outcome(existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : undefined, signal ?? `exit code ${code}`)
  })

const vitest = (checkout, args, env) => {
  const reporters = ["--reporter=default", `--reporter=${join(checkout, "scripts/lib/test-report.mjs")}`]
  const words = [join(checkout, "node_modules/vitest/vitest.mjs"), "run", ...reporters, ...args]
  // Vitest itself writes no snapshot when CI is set.
  return run(process.execPath, words, { cwd: checkout, show: true, env: { ...env, CI: "true" } })
}

const outcome = (report, end) => {
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
