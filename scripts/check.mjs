/**
 * `npm test`: everything that must be true before a change is good.
 *
 * With names of parts as arguments (`npm test -- lint tests`) only those run, after the set-up.
 * The last line counts the tests, if they were run; a part that failed otherwise counts as one more failure.
 */
import "./lib/node-version.mjs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { run } from "./lib/run.mjs"
import { inOwnDirectory } from "./lib/tests/own-directory.mjs"
import { runTests } from "./lib/tests/run-tests.mjs"
import { countLine, leftOutLines } from "./lib/tests/test-outcome.mjs"
import { SetupFailed, setup } from "./setup.mjs"

const root = join(dirname(fileURLToPath(import.meta.url)), "..")
const tests = { ran: false, passed: 0, failed: 0, lines: [] }

/** Each part answers undefined, why it failed, or `{ notDone }` with the reason. `alone` is the command that runs it by itself. */
const parts = {
  types: { alone: "npm run types", check: () => script("scripts/types.mjs") },
  lint: { alone: "npm run lint", check: () => tool("@biomejs/biome/bin/biome", "check", ".") },
  build: { alone: "npm run build", check: () => script("scripts/build.mjs") },
  tests: { alone: "npm test -- tests", check: () => checkTests() },
  sanitizers: {
    alone: "node scripts/sanitize.mjs",
    check: () => inOwnDirectory(({ env }) => script("scripts/sanitize.mjs", env))
  },
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
    const result = await check()
    const failure = typeof result === "string" ? result : undefined
    const seconds = ((performance.now() - started) / 1000).toFixed(1).padStart(6)
    const word = failure !== undefined ? "FAILED" : result?.notDone !== undefined ? "?     " : "ok    "
    summary.push(`${word} ${seconds} s  ${name}`)
    if (failure !== undefined) summary.push(`                 ${failure}; alone: ${alone}`)
    if (result?.notDone !== undefined) summary.push(`                 not done: ${result.notDone}; alone: ${alone}`)
    if (failure !== undefined && name !== "tests") tests.failed += 1
  }
  console.log(`\n${[...summary, ...tests.lines].join("\n")}\n`)
}

const node = async (args, env = process.env) => {
  const { code, signal } = await run(process.execPath, args, { cwd: root, show: true, env: { ...env, CI: "true" } })
  return code === 0 ? undefined : `ended with ${signal ?? `exit code ${code}`}`
}

const script = (path, env) => node([join(root, path)], env)

const tool = (path, ...args) => node([join(root, "node_modules", path), ...args])

/** What the last lines tell of the tests. */
const checkTests = async () => {
  const { passed, failed, failures, leftOut, unsteady, problem } = await runTests([], { onceMore: true })
  tests.ran = true
  tests.passed += passed
  tests.failed += failed
  tests.lines.push(...leftOutLines(leftOut), ...unsteady, ...failures)
  return problem
}

/** A registry that cannot be asked is not the fault of this change. */
const audit = async () => {
  const { stdout } = await run("npm", ["audit", "--omit=dev", "--json"], { cwd: root, timeoutMs: 60_000 })
  const { high = 0, critical = 0 } = parseJson(stdout)?.metadata?.vulnerabilities ?? {}
  if (high + critical > 0) return `${high + critical} packages with known vulnerabilities, high or critical`
  if (parseJson(stdout)?.metadata === undefined) return { notDone: "the registry could not be asked" }
  console.log("no known vulnerability, high or critical")
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
console.log(
  tests.ran
    ? countLine(tests)
    : tests.failed === 0
      ? "ok; the tests were not run"
      : `${tests.failed} failed; the tests were not run`
)
process.exitCode = tests.failed === 0 ? 0 : 1
