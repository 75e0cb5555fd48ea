/**
 * `npm run test:install`: the packages, installed on fresh systems as an admin does it. As root.
 *
 * `npm run test:install -- trixie services` names releases of Debian and parts (scripts/install/check-suite.mjs); without
 * names all. The last line counts the checks.
 */
import "./lib/node-version.mjs"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { checkSuite, parts } from "./install/check-suite.mjs"
import { whyNoContainer } from "./install/container.mjs"
import { CheckFailed } from "./install/demand.mjs"
import { makeRoot, whyNoRoot } from "./install/fresh-root.mjs"
import { nodePackageChecks } from "./install/node-package-checks.mjs"
import { runChecks } from "./install/run-checks.mjs"
import { find, mustRun } from "./lib/run.mjs"

const root = join(dirname(fileURLToPath(import.meta.url)), "..")
const allSuites = ["bookworm", "trixie"]
/** What is upgraded, and what to. */
const versions = ["0.0.1", "0.0.2"]
const nodeForOldDebian = "22"

const main = async (words) => {
  const unknown = words.filter((word) => !allSuites.includes(word) && !(word in parts))
  if (unknown.length > 0)
    throw new CheckFailed(`'${unknown[0]}' is not one of ${[...allSuites, ...Object.keys(parts)].join(", ")}`)
  const named = allSuites.filter((suite) => words.includes(suite))
  const suites = named.length > 0 ? named : allSuites
  const names = words.filter((word) => word in parts)
  const why = (await whyNoRoot()) ?? (await whyNoContainer())
  if (why !== undefined) throw new CheckFailed(`a fresh Debian cannot be made: ${why}`)
  await installTools()
  const work = mkdtempSync(join(tmpdir(), "tedge-install-"))
  const total = { passed: 0, failed: 0 }
  const count = ({ passed, failed }) => {
    total.passed += passed
    total.failed += failed
  }
  try {
    const folders = versions.map((version) => join(work, version))
    console.log(`making the packages, and a fresh ${suites.join(" and ")}`)
    await allOf([makePackages(folders, suites), ...suites.map((suite) => makeRoot({ suite, dir: join(work, suite) }))])
    // Side by side: much of it waits for a network, a disk or a service.
    const all = suites.map((suite) => checkSuite({ suite, base: join(work, suite), folders, work, names }))
    if (suites.includes("bookworm") && names.length === 0)
      all.push(runChecks({ folder: folders[0] }, nodePackageChecks))
    for (const done of await allOf(all)) count(done)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
  return total
}

/** Fails when all have ended: what they work on is removed then. */
const allOf = async (works) => {
  await Promise.allSettled(works)
  return Promise.all(works)
}

const makePackages = async ([first, second], suites) => {
  await makeVersion(first, versions[0], suites.includes("bookworm") ? ["--node", nodeForOldDebian] : [])
  await makeVersion(second, versions[1], [])
}

const makeVersion = (out, version, more) =>
  mustRun(
    process.execPath,
    ["scripts/package.mjs", "--arch", architecture(), "--version", version, "--out", out, ...more],
    { cwd: root }
  )

const architecture = () => (process.arch === "x64" ? "amd64" : process.arch)

const installTools = async () => {
  const tools = {
    mmdebstrap: "mmdebstrap",
    "dpkg-deb": "dpkg",
    ip: "iproute2",
    nsenter: "util-linux",
    lintian: "lintian",
    swtpm: "swtpm",
    mosquitto: "mosquitto",
    openssl: "openssl",
    cc: "gcc",
    "c++": "g++"
  }
  const missing = Object.keys(tools).filter((command) => find(command) === undefined)
  if (missing.length === 0) return
  await mustRun("apt-get", ["update", "-q"])
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" }
  await mustRun("apt-get", ["install", "-y", "-q", "--no-install-recommends", ...missing.map((one) => tools[one])], {
    env
  })
}

try {
  const { passed, failed } = await main(process.argv.slice(2))
  console.log(`\n${passed} passed, ${failed} failed`)
  process.exitCode = failed === 0 ? 0 : 1
} catch (error) {
  console.error(error instanceof CheckFailed ? `error: ${error.message}` : error)
  console.log("\n0 passed, 1 failed")
  process.exitCode = 1
}
