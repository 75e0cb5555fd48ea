import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { type Failure, outcome, type Run, settled } from "../../scripts/lib/tests/test-outcome.mjs"

const failure = (name: string): Failure => ({ file: "test/a.test.ts", name, message: "Error: no" })
const run = (passed: number, ...failures: ReadonlyArray<Failure>): Run => ({
  report: { passed, failures, skipped: [] },
  end: failures.length > 0 ? "exit code 1" : "exit code 0"
})

describe("a run of the tests", () => {
  beforeEach(() => {
    vi.stubEnv("CI", "")
  })
  afterEach(() => {
    vi.unstubAllEnvs()
  })

  it("that passed has no problem", () => {
    const { passed, failed, problem } = outcome(run(3))
    expect({ passed, failed, problem }).toEqual({ passed: 3, failed: 0, problem: undefined })
  })

  it("names each failure with its file and first lines", () => {
    const { failed, failures, problem } = outcome(run(3, failure("one")))
    expect({ failed, failures, problem }).toEqual({
      failed: 1,
      failures: ["FAILED test/a.test.ts: one: Error: no"],
      problem: "1 failed"
    })
  })

  it("without one test, without a report, or with another end than success, fails", () => {
    expect(outcome(run(0)).failed).toBe(1)
    expect(outcome({ end: "SIGKILL" }).problem).toContain("SIGKILL")
    expect(outcome({ ...run(3), end: "exit code 7" }).problem).toContain("exit code 7")
  })

  it("fails in CI for a test that was left out, and only there", () => {
    const left: Run = {
      report: { passed: 1, failures: [], skipped: [{ file: "test/a.test.ts", name: "one" }] },
      end: "exit code 0"
    }
    expect(outcome(left).failed).toBe(0)
    vi.stubEnv("CI", "true")
    expect(outcome(left).failed).toBe(1)
  })
})

describe("files with failures that ran once more", () => {
  it("pass when they pass alone, and are named", () => {
    const { passed, failed, problem, unsteady } = settled(run(3, failure("one")), run(2))
    expect({ passed, failed, problem }).toEqual({ passed: 4, failed: 0, problem: undefined })
    expect(unsteady).toEqual(["passed only alone: test/a.test.ts: one: Error: no"])
  })

  it("fail for what failed twice", () => {
    const { failed, failures, unsteady } = settled(run(3, failure("one"), failure("two")), run(1, failure("two")))
    expect(failed).toBe(1)
    expect(failures).toEqual(["FAILED test/a.test.ts: two: Error: no"])
    expect(unsteady).toHaveLength(1)
  })

  it("fail for what failed the second time only", () => {
    expect(settled(run(3, failure("one")), run(1, failure("other"))).failed).toBe(1)
  })

  it.each([
    ["was cut short", { end: "SIGKILL" }],
    ["ran no test", run(0)]
  ])("leave the first word when the second run %s", (_, second) => {
    expect(settled(run(3, failure("one")), second)).toMatchObject({ passed: 3, failed: 1, unsteady: [] })
  })
})
