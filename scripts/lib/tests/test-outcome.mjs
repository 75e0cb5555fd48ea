/** What the report of a run of vitest means, in numbers and lines to print. */
import { stripVTControlCharacters } from "node:util"

/** The second run's word counts, if it ran to its end. */
export const settled = (first, second) => {
  if (second.report === undefined || second.report.passed === 0) return { ...outcome(first), unsteady: [] }
  const failures = second.report.failures
  const unsteady = first.report.failures.filter(
    ({ file, name }) => !failures.some((again) => again.file === file && again.name === name)
  )
  const report = { ...first.report, failures, passed: first.report.passed + unsteady.length }
  const lines = unsteady.map((failure) => failureLine(failure).replace("FAILED", "passed only alone:"))
  return { ...outcome({ report, end: second.end }), unsteady: lines }
}

export const outcome = ({ report, end }) => {
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
