/**
 * `npm run test:install`: the packages, installed on fresh systems as an admin does it. As root.
 *
 * On a machine where nothing was installed by hand: what is missing is installed first (scripts/debian-packages.mjs).
 * `npm run test:install -- arm64`: the packages for arm64, emulated; not part of the others.
 * `npm run test:install -- trixie services` names releases of Debian and parts (scripts/install/check-suite.mjs); without
 * names all. The last line counts the checks.
 */
import "./lib/node-version.mjs"
import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { arm64Part } from "./install/arm64-checks.mjs"
import { archiveOf, checkSuite, parts } from "./install/check-suite.mjs"
import { whyNoContainer } from "./install/container.mjs"
import { CheckFailed } from "./install/demand.mjs"
import { makeRoot, whyNoRoot } from "./install/fresh-root.mjs"
import { nodePackageChecks } from "./install/node-package-checks.mjs"
import { runChecks } from "./install/run-checks.mjs"
import { mustRun } from "./lib/run.mjs"
import { SetupFailed, setup } from "./setup.mjs"

const root = join(dirname(fileURLToPath(import.meta.url)), "..")
const allSuites = ["bookworm", "trixie"]
/** What is upgraded, and what to. */
const versions = ["0.0.1", "0.0.2"]
const nodeForOldDebian = "22"

const main = async (words) => {
  if (words.join() === "arm64") return arm64()
  const unknown = words.filter((word) => !allSuites.includes(word) && !(word in parts))
  if (unknown.length > 0)
    throw new CheckFailed(`'${unknown[0]}' is not one of ${[...allSuites, ...Object.keys(parts)].join(", ")}`)
  const named = allSuites.filter((suite) => words.includes(suite))
  const suites = named.length > 0 ? named : allSuites
  const names = words.filter((word) => word in parts)
  const why = (await whyNoRoot()) ?? (await whyNoContainer())
  if (why !== undefined) throw new CheckFailed(`a fresh Debian cannot be made: ${why}`)
  await setup("install")
  const work = mkdtempSync(join(tmpdir(), "tedge-install-"))
  const total = { passed: 0, failed: 0 }
  const count = ({ passed, failed }) => {
    total.passed += passed
    total.failed += failed
  }
  try {
    const out = join(work, "packages")
    console.log(`making the packages, and a fresh ${suites.join(" and ")}`)
    await allOf([
      makePackages(out, suites),
      ...suites.map((suite) => makeRoot({ suite, dir: join(work, suite), ...archiveOf(suite) }))
    ])
    const files = readdirSync(out)
      .filter((file) => file.endsWith(".deb"))
      .map((file) => join(out, file))
    // Side by side: much of it waits for a disk or a service.
    const all = suites.map((suite) => checkSuite({ suite, base: join(work, suite), files, versions, work, names }))
    if (suites.includes("bookworm") && names.length === 0) all.push(runChecks({ files }, nodePackageChecks))
    for (const done of await allOf(all)) count(done)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
  return total
}

const arm64 = async () => {
  await setup("arm64")
  const work = mkdtempSync(join(tmpdir(), "tedge-install-"))
  try {
    return await arm64Part({ root, work })
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

/** Fails when all have ended: what they work on is removed then. */
const allOf = async (works) => {
  await Promise.allSettled(works)
  return Promise.all(works)
}

const makePackages = (out, suites) => {
  const more = suites.includes("bookworm") ? ["--node", nodeForOldDebian] : []
  const words = versions.flatMap((version) => ["--version", version])
  return mustRun(process.execPath, ["scripts/package.mjs", "--arch", architecture(), "--out", out, ...words, ...more], {
    cwd: root
  })
}

const architecture = () => (process.arch === "x64" ? "amd64" : process.arch)

try {
  const { passed, failed } = await main(process.argv.slice(2))
  console.log(`\n${passed} passed, ${failed} failed`)
  process.exitCode = failed === 0 ? 0 : 1
} catch (error) {
  console.error(error instanceof CheckFailed || error instanceof SetupFailed ? `error: ${error.message}` : error)
  console.log("\n0 passed, 1 failed")
  process.exitCode = 1
}
