/**
 * Runs the add-ons' tests on builds that watch themselves: addresses and undefined behaviour, then data races.
 *
 * Node itself is not instrumented; the sanitizer's library is preloaded into it, so what it reports about others
 * (V8, the test runner) means little: a report counts when it names an add-on of ours. Leak detection stays off, since
 * Node leaves memory to the end of the process; the tests count what the add-on has open instead.
 * Fails when a test fails or a report counts. `node scripts/sanitize.mjs [address|thread]`
 */
import { spawnSync } from "node:child_process"
import { mkdirSync, readdirSync, readFileSync, realpathSync, rmSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { buildAddons } from "./build-addons.mjs"

const root = join(dirname(fileURLToPath(import.meta.url)), "..")
const sanitizers = {
  address: {
    flags: ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"],
    libraries: ["libasan.so", "libubsan.so"],
    options: (log) => ({
      ASAN_OPTIONS: `detect_leaks=0:log_path=${log}`,
      UBSAN_OPTIONS: `print_stacktrace=1:log_path=${log}`
    }),
    launcher: [],
    tests: ["test/platform/tls", "test/platform/native", "test/platform/sockets"]
  },
  thread: {
    flags: ["-fsanitize=thread"],
    libraries: ["libtsan.so"],
    options: (log) => ({
      TSAN_OPTIONS: `log_path=${log}:report_signal_unsafe=0:exitcode=0`
    }),
    // Its shadow memory needs the addresses it expects.
    launcher: ["setarch", "-R"],
    tests: ["test/platform/tls"] // the other add-on has no threads
  }
}

/** Answers what went wrong, as sentences. */
const run = (name) => {
  const { flags, libraries, options, launcher, tests } = sanitizers[name]
  const out = join(root, "build", `sanitize-${name}`)
  const reports = join(out, "reports")
  rmSync(reports, { recursive: true, force: true })
  mkdirSync(reports, { recursive: true })
  const problems = buildAddons(root, {
    out,
    extraFlags: [...flags, "-U_FORTIFY_SOURCE", "-O1", "-g", "-fno-omit-frame-pointer"]
  })
  if (problems.length > 0) return problems
  const command = [
    ...launcher,
    process.execPath,
    join(root, "node_modules/vitest/vitest.mjs"),
    "run",
    "--testTimeout=60000",
    ...tests
  ]
  const environment = { ...options(join(reports, "report")), LD_PRELOAD: libraries.map(libraryFile).join(" ") }
  const [file, ...args] = command
  const done = spawnSync(file, args, {
    cwd: root,
    stdio: "inherit",
    env: { ...process.env, ...environment, TEDGE_ADDON_DIR: out }
  })
  const ours = [out, join(root, "native")].map((folder) => `${folder}/`)
  const found = reportsIn(reports).filter((report) => ours.some((folder) => report.includes(folder)))
  for (const report of found) process.stderr.write(report)
  return [
    ...(done.status === 0 ? [] : [`the tests failed under the ${name} sanitizer`]),
    ...(found.length === 0 ? [] : [`the ${name} sanitizer found ${found.length} faults`])
  ]
}

/** One text for each fault; a process writes them all into one file. */
const reportsIn = (folder) =>
  readdirSync(folder)
    .map((file) => readFileSync(join(folder, file), "utf8"))
    .flatMap((text) => text.split(/^(?==+\n(?:WARNING|==\d+==ERROR))/m))

const libraryFile = (library) => {
  const found = spawnSync(process.env.CC ?? "cc", [`-print-file-name=${library}`], { encoding: "utf8" })
  return realpathSync(found.stdout.trim())
}

const wanted = process.argv.slice(2)
const names = wanted.length > 0 ? wanted : Object.keys(sanitizers)
const problems = names.flatMap(run)
for (const line of problems) process.stderr.write(`error: ${line}\n`)
process.exitCode = problems.length > 0 ? 1 : 0
