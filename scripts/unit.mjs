/**
 * `npm run unit`: the tests that start no process and need no token and no broker (test/projects.ts).
 * With arguments, which are vitest's: the tests of the files named, whichever they are.
 */
import "./lib/node-version.mjs"
import { runTests } from "./lib/tests/run-tests.mjs"
import { countLine, leftOutLines } from "./lib/tests/test-outcome.mjs"

const given = process.argv.slice(2)
const tests = await runTests(given.length > 0 ? given : ["--project=unit"])
console.log(
  ["", ...leftOutLines(tests.leftOut), ...tests.failures, ...(tests.problem ? [tests.problem] : [])].join("\n")
)
console.log(countLine(tests))
process.exitCode = tests.failed === 0 ? 0 : 1
