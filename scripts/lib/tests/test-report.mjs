/**
 * A reporter of vitest: writes what a run's last lines need, as JSON, into the file that TEST_REPORT_FILE names.
 *
 * Vitest's own JSON has no message for a test that ran out of time, and knows nothing of errors outside of tests.
 */
import { writeFileSync } from "node:fs"
import { relative } from "node:path"

export default class TestReport {
  onInit(vitest) {
    this.root = vitest.config.root
  }

  onTestRunEnd(modules, unhandled) {
    const report = { passed: 0, failures: [], skipped: [] }
    for (const module of modules) this.add(report, module)
    for (const error of unhandled) {
      const file = error.VITEST_TEST_PATH && relative(this.root, error.VITEST_TEST_PATH)
      report.failures.push({
        file: file ?? "outside of the tests",
        name: error.VITEST_TEST_NAME,
        message: textOf(error)
      })
    }
    writeFileSync(process.env.TEST_REPORT_FILE, JSON.stringify(report))
  }

  add(report, module) {
    const file = relative(this.root, module.moduleId)
    const failed = (name, errors) => report.failures.push({ file, name, message: errors.map(textOf).join("\n") })
    if (module.errors().length > 0) failed(undefined, module.errors())
    for (const suite of module.children.allSuites())
      if (suite.errors().length > 0) failed(suite.fullName, suite.errors())
    for (const test of module.children.allTests()) {
      const { state, errors = [] } = test.result()
      if (state === "passed") report.passed += 1
      else if (state === "failed") failed(test.fullName, errors)
      else if (!isInFailedSuite(test)) report.skipped.push({ file, name: test.fullName })
    }
  }
}

/** What its suite's preparation failed for is told once. */
const isInFailedSuite = ({ parent }) =>
  parent.type === "suite" && (parent.errors().length > 0 || isInFailedSuite(parent))

const textOf = (error) => {
  const message = String(error.message ?? error)
  const timeLimit = /^(Test|Hook) timed out in (\d+)ms/.exec(message)
  if (timeLimit === null) return error.name === undefined ? message : `${error.name}: ${message}`
  const what = timeLimit[1] === "Test" ? "" : "its preparation or its end "
  return `${what}ran out of time (${Number(timeLimit[2]) / 1000} s)`
}
