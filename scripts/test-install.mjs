/**
 * `npm run test:install`: the packages, installed on fresh systems as an admin does it. As root.
 *
 * On a machine where nothing was installed by hand: what is missing is installed first (scripts/debian-packages.mjs).
 * `npm run test:install -- arm64`: the packages for arm64, emulated; not part of the others.
 * `npm run test:install -- trixie services` names releases of Debian and parts (scripts/install/check-suite.mjs); without
 * names all. The last line counts the checks. Ctrl-C leaves no file, mount or process.
 */
import "./lib/node-version.mjs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { endEmulation } from "./install/arm64-checks.mjs"
import { allSuites, parts } from "./install/check-suite.mjs"
import { removeGroupsOf, whyNoContainer } from "./install/container.mjs"
import { CheckFailed } from "./install/demand.mjs"
import { whyNoRoot } from "./install/fresh-root.mjs"
import { runInOwnNamespaces } from "./lib/tests/own-namespaces.mjs"
import { SetupFailed, setup } from "./setup.mjs"

const runParts = join(dirname(fileURLToPath(import.meta.url)), "install/run-parts.mjs")

const main = async (words) => {
  const isArm64 = words.join() === "arm64"
  const unknown = isArm64 ? [] : words.filter((word) => !allSuites.includes(word) && !(word in parts))
  if (unknown.length > 0)
    throw new CheckFailed(`'${unknown[0]}' is not one of ${[...allSuites, ...Object.keys(parts)].join(", ")}`)
  const why = (await whyNoRoot()) ?? (isArm64 ? undefined : await whyNoContainer())
  if (why !== undefined) throw new CheckFailed(`a fresh Debian cannot be made: ${why}`)
  await setup(isArm64 ? "arm64" : "install")
  return runInOwnNamespaces({
    prefix: "tedge-install-",
    wordsFor: (dir) => [process.execPath, runParts, dir, ...words],
    afterwards: isArm64 ? endEmulation : removeGroupsOf
  })
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  console.error(error instanceof CheckFailed || error instanceof SetupFailed ? `error: ${error.message}` : error)
  console.log("\n0 passed, 1 failed")
  process.exitCode = 1
}
