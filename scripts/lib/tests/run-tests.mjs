/** Runs vitest in a temporary directory of its own and tells the outcome in words. Shared by `npm test` and `npm run unit`. */
import { existsSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { run } from "../run.mjs"
import { inOwnDirectory } from "./own-directory.mjs"
import { readableCheckout } from "./readable-checkout.mjs"
import { outcome, settled } from "./test-outcome.mjs"

const root = join(dirname(fileURLToPath(import.meta.url)), "../../..")

/**
 * `failures` and `leftOut` are lines to print. `problem`: why the run counts as failed, or undefined.
 * With CI in the environment a test that was left out is a failure.
 *
 * `onceMore`: up to three files with failures run a second time with nothing beside them. What passes then counts as
 * passed, and `unsteady` names it with its first failure: a defect of the test, or a race of the product, to be mended.
 */
export const runTests = (args = [], { onceMore = false } = {}) =>
  inOwnDirectory(async ({ env, dir }) => {
    const checkout = readableCheckout(root, dir)
    const first = await vitest(checkout, args, env, join(dir, "report.json"))
    if (!onceMore || first.report === undefined) return { ...outcome(first), unsteady: [] }
    const files = [...new Set(first.report.failures.map(({ file }) => file))]
    if (files.length === 0 || files.length > 3 || !files.every((file) => existsSync(join(checkout, file))))
      return { ...outcome(first), unsteady: [] }
    console.log(`\nonce more, with nothing beside them: ${files.join(", ")}`)
    return settled(first, await vitest(checkout, files, env, join(dir, "second-report.json")))
  })

const vitest = async (checkout, args, env, file) => {
  const reporters = ["--reporter=default", `--reporter=${join(checkout, "scripts/lib/tests/test-report.mjs")}`]
  const words = [join(checkout, "node_modules/vitest/vitest.mjs"), "run", ...reporters, ...args]
  // Vitest itself writes no snapshot when CI is set.
  const { code, signal } = await run(process.execPath, words, {
    cwd: checkout,
    show: true,
    env: { ...env, CI: "true", TEST_REPORT_FILE: file }
  })
  const report = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : undefined
  return { report, end: signal ?? `exit code ${code}` }
}
