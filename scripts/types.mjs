/** Checks the types. Says why where a package is missing that npm may leave out. */
import "./lib/node-version.mjs"
import { spawnSync } from "node:child_process"
import { existsSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const root = join(dirname(fileURLToPath(import.meta.url)), "..")
const compiler = join(root, "node_modules/typescript/bin/tsc")

if (!existsSync(compiler)) fail("typescript is not installed", "npm ci")
// npm's --omit=optional leaves out the compiler's program for this machine, and pkcs11js.
if (!existsSync(join(root, "node_modules/@typescript")))
  fail(
    "typescript's own program is not installed: npm was told to leave optional packages out",
    "npm ci --include=optional"
  )
const check = (...args) =>
  spawnSync(process.execPath, [compiler, "--noEmit", ...args], { cwd: root, stdio: "inherit" }).status
// The page of tedge status --web runs in a browser.
const status = check() || check("-p", "web")
if (status !== 0 && !existsSync(join(root, "node_modules/pkcs11js/package.json")))
  fail(
    "pkcs11js is not installed, and its types with it: npm leaves it out when it cannot be compiled",
    "on Debian: apt-get install g++ make python3 libnode-dev, then: npm ci"
  )
process.exitCode = status ?? 1

function fail(error, hint) {
  process.stderr.write(`error: ${error}\nhint: ${hint}\n`)
  process.exit(1)
}
