/**
 * `run-parts.mjs DIRECTORY WORDS…`: what scripts/test-install.mjs runs in namespaces of its own. What still runs when this ends,
 * ends with it. The last line counts the checks.
 */
import { readdirSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { mustRun } from "../lib/run.mjs"
import { arm64Part } from "./arm64-checks.mjs"
import { allSuites, archiveOf, checkSuite, parts } from "./check-suite.mjs"
import { makeRoot } from "./fresh-root.mjs"
import { nodePackageChecks } from "./node-package-checks.mjs"
import { runChecks } from "./run-checks.mjs"

const root = join(dirname(fileURLToPath(import.meta.url)), "../..")
/** What is upgraded, and what to. */
const versions = ["0.0.1", "0.0.2"]
const nodeForOldDebian = "22"

const main = async (work, words) => {
  if (words.includes("arm64")) return arm64Part({ root, work })
  const named = allSuites.filter((suite) => words.includes(suite))
  const suites = named.length > 0 ? named : allSuites
  const names = words.filter((word) => word in parts)
  const out = join(work, "packages")
  console.log(`making the packages, and a fresh ${suites.join(" and ")}`)
  const startedAt = performance.now()
  await Promise.all([
    makePackages(out, suites),
    ...suites.map((suite) => makeRoot({ suite, dir: join(work, suite), ...archiveOf(suite) }))
  ])
  console.log(`      ${((performance.now() - startedAt) / 1000).toFixed(0)} s`)
  const files = readdirSync(out)
    .filter((file) => file.endsWith(".deb"))
    .map((file) => join(out, file))
  // Side by side: much of it waits for a disk or a service.
  const all = suites.map((suite) => checkSuite({ suite, base: join(work, suite), files, versions, work, names }))
  if (suites.includes("bookworm") && names.length === 0) all.push(runChecks({ files }, nodePackageChecks))
  const total = { passed: 0, failed: 0 }
  for (const { passed, failed } of await Promise.all(all)) {
    total.passed += passed
    total.failed += failed
  }
  return total
}

const makePackages = (out, suites) => {
  const more = suites.includes("bookworm") ? ["--node", nodeForOldDebian] : []
  const words = versions.flatMap((version) => ["--version", version])
  return mustRun(process.execPath, ["scripts/package.mjs", "--arch", architecture(), "--out", out, ...words, ...more], {
    cwd: root
  })
}

const architecture = () => (process.arch === "x64" ? "amd64" : process.arch)

const [work, ...words] = process.argv.slice(2)
try {
  const { passed, failed } = await main(work, words)
  console.log(`\n${passed} passed, ${failed} failed`)
  process.exit(failed === 0 ? 0 : 1)
} catch (error) {
  console.error(error)
  console.log("\n0 passed, 1 failed")
  process.exit(1)
}
