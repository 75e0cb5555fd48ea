/**
 * `npm run test:install`: the packages, installed on fresh systems as an admin does it. As root.
 *
 * `npm run test:install -- bookworm trixie` names the releases of Debian; without names both.
 * The last line counts the checks.
 */
import "./lib/node-version.mjs"
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { basename, dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { containerChecks } from "./install/container-checks.mjs"
import { CheckFailed } from "./install/demand.mjs"
import { makeRoot, openRoot, whyNoRoot } from "./install/fresh-root.mjs"
import { packageChecks } from "./install/package-checks.mjs"
import { quickStartChecks } from "./install/quick-start-checks.mjs"
import { runChecks } from "./install/run-checks.mjs"
import { checkUnderSystemd, neededPackages } from "./install/under-systemd.mjs"
import { find, mustRun } from "./lib/run.mjs"

const root = join(dirname(fileURLToPath(import.meta.url)), "..")
const versions = ["0.0.1", "0.0.2"]
const nodeForOldDebian = "22"

const main = async (names) => {
  const suites = names.length > 0 ? names : ["bookworm", "trixie"]
  const why = await whyNoRoot()
  if (why !== undefined) throw new CheckFailed(`a fresh Debian cannot be made: ${why}`)
  await installTools()
  const work = mkdtempSync(join(tmpdir(), "tedge-install-"))
  let total = none
  try {
    console.log("building the packages")
    const folders = versions.map((version) => join(work, version))
    await makePackages(folders[0], versions[0], suites.includes("bookworm") ? ["--node", nodeForOldDebian] : [])
    await makePackages(folders[1], versions[1], [])
    for (const suite of suites) {
      console.log(`Debian ${suite}`)
      for (const check of [checkSuite, checkSystemd]) total = sum(total, await check(suite, join(work, suite), folders))
    }
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
  return total
}

const makePackages = (out, version, more) =>
  mustRun(
    process.execPath,
    ["scripts/package.mjs", "--arch", architecture(), "--version", version, "--out", out, ...more],
    {
      cwd: root
    }
  )

const architecture = () => (process.arch === "x64" ? "amd64" : process.arch)

const installTools = async () => {
  const tools = { mmdebstrap: "mmdebstrap", "dpkg-deb": "dpkg", ip: "iproute2", nsenter: "util-linux" }
  const missing = Object.keys(tools).filter((command) => find(command) === undefined)
  if (missing.length === 0) return
  await mustRun("apt-get", ["update", "-q"])
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" }
  await mustRun("apt-get", ["install", "-y", "-q", "--no-install-recommends", ...missing.map((one) => tools[one])], {
    env
  })
}

const checkSuite = async (suite, dir, folders) => {
  await makeRoot({ suite, dir, include: ["softhsm2", "mosquitto"] })
  const packages = await inRoot(dir, async (debian) => {
    const [debs, next] = folders.map((folder, index) => copyPackages(debian, folder, `/opt/packages-${index}`))
    const update = async () => mustBe(await debian.apt("update"))
    await update()
    return runChecks(
      { ...withShortcuts(debian), debs, next, versions, update, hasOldNode: suite === "bookworm" },
      packageChecks
    )
  })
  const bare = `${dir}-bare`
  await makeRoot({ suite, dir: bare, include: [] })
  const quickStart = await inRoot(bare, async (debian) => {
    const { "tedge-actors": ours, "tedge-actors-node": node } = copyPackages(debian, folders[0], "/opt/packages")
    mustBe(await debian.apt("update"))
    if (suite === "bookworm") mustBe(await debian.apt("install", node))
    copyInto(debian.path(ours), debian.path(join("/opt/here", basename(ours))))
    return runChecks(withShortcuts(debian), quickStartChecks)
  })
  return [
    packages,
    quickStart,
    suite === containerSuite ? await checkContainer(`${dir}-container`, folders[0]) : none
  ].reduce(sum)
}

/** The suite of the recipe's base image. */
const containerSuite = "trixie"

const none = { passed: 0, failed: 0 }

const sum = (left, right) => ({ passed: left.passed + right.passed, failed: left.failed + right.failed })

const checkContainer = async (dir, folder) => {
  await makeRoot({ suite: containerSuite, dir, include: [] })
  const packages = readdirSync(folder).map((name) => join(folder, name))
  return inRoot(dir, (debian) => runChecks({ ...withShortcuts(debian), packages }, containerChecks))
}

const inRoot = async (dir, use) => {
  const debian = await openRoot(dir)
  try {
    return await use(debian)
  } finally {
    await debian.close()
  }
}

/** The same packages where systemd is PID 1. */
const checkSystemd = async (suite, dir, folders) => {
  console.log(`Debian ${suite}, under systemd`)
  const root = `${dir}-systemd`
  await makeRoot({ suite, dir: root, include: [...neededPackages, ...(suite === "bookworm" ? [] : ["nodejs"])] })
  const files = (folder) =>
    readdirSync(folder)
      .filter((name) => /^tedge-actors(-node)?_.*\.deb$/.test(name))
      .map((name) => join(folder, name))
  const [packages = [], next = []] = folders.map(files)
  return await checkUnderSystemd({ root, packages, next })
}

/** Commands that must succeed. */
const withShortcuts = (debian) => ({
  ...debian,
  must: async (...argv) => mustBe(await debian.exec(argv)),
  install: async (...packages) => mustBe(await debian.apt("install", ...packages)),
  remove: async (...words) => mustBe(await debian.apt("remove", ...words))
})

const mustBe = ({ code, signal, stdout, stderr }) => {
  if (code !== 0) throw new CheckFailed(`it ended with ${signal ?? `exit code ${code}`}\n${stdout}\n${stderr}`)
  return stdout
}

/** Answers name -> path inside. */
const copyPackages = (debian, folder, place) => {
  const names = readdirSync(folder).filter((name) => name.endsWith(".deb"))
  for (const name of names) copyInto(join(folder, name), debian.path(join(place, name)))
  return Object.fromEntries(names.map((name) => [name.split("_")[0], join(place, name)]))
}

const copyInto = (from, to) => {
  mkdirSync(dirname(to), { recursive: true })
  copyFileSync(from, to)
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
