/** `npm run unit`: the tests, or those of the files named. Arguments are vitest's. */
import "./lib/node-version.mjs"
import { countLine, leftOutLines, runTests } from "./lib/run-tests.mjs"

const tests = await runTests(process.argv.slice(2))
console.log(
  ["", ...leftOutLines(tests.leftOut), ...tests.failures, ...(tests.problem ? [tests.problem] : [])].join("\n")
)
console.log(countLine(tests))
process.exitCode = tests.failed === 0 ? 0 : 1
