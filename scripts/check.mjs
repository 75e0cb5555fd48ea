/**
 * `npm test`: everything that must be true before a change is good.
 *
 * With names of parts as arguments (`npm test -- lint tests`) only those run, after the set-up.
 * The last line counts the tests; a part that failed otherwise counts as one more failure.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join, relative } from "node:path"
import { fileURLToPath } from "node:url"
import { stripVTControlCharacters } from "node:util"
import { run } from "./lib/run.mjs"
import { SetupFailed, setup } from "./setup.mjs"

const root = join(dirname(fileURLToPath(import.meta.url)), "..")
const tests = { passed: 0, failed: 0, reasons: [] }

/** Each part answers undefined, or why it failed. `alone` is the command that runs it by itself. */
const parts = {
  types: { alone: "npm run types", check: () => tool("typescript/bin/tsc", "--noEmit") },
  lint: { alone: "npm run lint", check: () => tool("@biomejs/biome/bin/biome", "check", ".") },
  build: { alone: "npm run build", check: () => script("scripts/build.mjs") },
  tests: { alone: "npm run unit", check: () => runTests() },
  sanitizers: { alone: "node scripts/sanitize.mjs", check: () => script("scripts/sanitize.mjs") },
  audit: { alone: "npm audit --omit=dev", check: () => audit() }
}

const main = async (names) => {
  const unknown = names.filter((name) => !(name in parts))
  if (unknown.length > 0)
    throw new SetupFailed(`no such part: ${unknown.join(", ")}; there are: ${Object.keys(parts).join(", ")}`)
  await setup("tests")
  const summary = []
  for (const name of names.length > 0 ? names : Object.keys(parts)) {
    const { alone, check } = parts[name]
    console.log(`\n--- ${name}`)
    const started = performance.now()
    const failure = await check()
    const seconds = ((performance.now() - started) / 1000).toFixed(1).padStart(6)
    summary.push(`${failure === undefined ? "ok    " : "FAILED"} ${seconds} s  ${name}`)
    if (failure !== undefined) summary.push(`                 ${failure}; alone: ${alone}`)
    if (failure !== undefined && (name !== "tests" || tests.failed === 0)) tests.failed += 1
  }
  console.log(`\n${[...summary, ...tests.reasons].join("\n")}\n`)
}

const ours = { cwd: root, show: true, env: { ...process.env, CI: "true" } }

const node = async (...args) => {
  const { code, signal } = await run(process.execPath, args, ours)
  return code === 0 ? undefined : `ended with ${signal ?? `exit code ${code}`}`
}

const script = (path) => node(join(root, path))

const tool = (path, ...args) => node(join(root, "node_modules", path), ...args)

/** With CI set a test that lacks a token or a broker fails; a test that was skipped all the same is a failure here. */
const runTests = async () => {
  const dir = mkdtempSync(join(tmpdir(), "tedge-check-"))
  try {
    const report = join(dir, "tests.json")
    const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`]
    const failure = await tool("vitest/vitest.mjs", "run", ...reporters)
    if (!existsSync(report)) return failure ?? "vitest wrote no report"
    const { numPassedTests, numFailedTests, numTotalTests, testResults } = JSON.parse(readFileSync(report, "utf8"))
    tests.passed += numPassedTests
    tests.reasons.push(...testResults.flatMap(reasons))
    tests.failed += numFailedTests
    const skipped = numTotalTests - numPassedTests - numFailedTests
    if (skipped > 0) return `${skipped} tests were skipped`
    return numTotalTests === 0 ? "no test was found" : failure
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

/** One line for each failed test of a file, or for the file that could not be run: what a log's last lines must tell. */
const reasons = ({ name, message, assertionResults }) => {
  const file = relative(root, name)
  const failed = assertionResults.filter(({ status }) => status === "failed")
  if (failed.length === 0) return message ? [`${file}: ${firstLines(message)}`] : []
  return failed.map(
    ({ fullName, failureMessages }) => `${file}: ${fullName}: ${firstLines(failureMessages.join("\n"))}`
  )
}

const firstLines = (text) => stripVTControlCharacters(text).split("\n").slice(0, 6).join(" | ").slice(0, 400)

/** A registry that cannot be asked is not the fault of this change. */
const audit = async () => {
  const { stdout } = await run("npm", ["audit", "--omit=dev", "--json"], { cwd: root, timeoutMs: 60_000 })
  const { high = 0, critical = 0 } = parseJson(stdout)?.metadata?.vulnerabilities ?? {}
  if (high + critical > 0) return `${high + critical} packages with known vulnerabilities, high or critical`
  const asked = parseJson(stdout)?.metadata !== undefined
  console.log(asked ? "no known vulnerability, high or critical" : "warning: the registry could not be asked")
  return undefined
}

const parseJson = (text) => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

try {
  await main(process.argv.slice(2))
} catch (error) {
  if (!(error instanceof SetupFailed)) throw error
  console.error(`\n${error.message}\n`)
  tests.failed += 1
}
console.log(`${tests.passed} passed, ${tests.failed} failed`)
process.exitCode = tests.failed === 0 ? 0 : 1
