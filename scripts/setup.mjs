/**
 * Makes a fresh machine ready: Debian packages, npm packages, bundles and add-ons. Called by the demo and by the tests.
 *
 * Does only what is missing. Plain Node, because it runs before any package is there.
 */
import "./lib/node-version.mjs"
import { spawn } from "node:child_process"
import { existsSync, readdirSync, statSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { missingPackages } from "./debian-packages.mjs"
import { nodeHeaders } from "./lib/node-headers.mjs"
import { find, run } from "./lib/run.mjs"

const root = join(dirname(fileURLToPath(import.meta.url)), "..")

/** A part of the set-up did not work. The message is for the person at the terminal. */
export class SetupFailed extends Error {}

/** `purpose`: as in scripts/debian-packages.mjs, each with the Debian packages it needs; the documents need no build. */
export const setup = async (purpose) => {
  await installDebianPackages(purpose)
  await installNpmPackages()
  if (purpose !== "docs") await buildWhatIsStale()
}

const say = (text) => process.stdout.write(`setup: ${text}\n`)

const installDebianPackages = async (purpose) => {
  const missing = missingPackages(purpose)
  if (missing.length === 0) return
  const byHand = `apt-get update && apt-get install -y --no-install-recommends ${missing.join(" ")}`
  if (find("apt-get") === undefined) throw new SetupFailed(`missing, as Debian names them: ${missing.join(" ")}`)
  if (process.getuid?.() !== 0)
    throw new SetupFailed(`Debian packages are missing. Run this, then start again:\n\n  sudo sh -c '${byHand}'\n`)
  say(`installing Debian packages: ${missing.join(" ")}`)
  await apt("update", "-q")
  await apt("install", "-y", "-q", "--no-install-recommends", ...missing)
  const still = missingPackages(purpose)
  if (still.length > 0) throw new SetupFailed(`still missing after apt-get: ${still.join(" ")}`)
}

/**
 * apt-get in a process group of its own: Ctrl-C must not cut dpkg short, which would leave the system half configured.
 * Ctrl-C is obeyed when apt-get is done.
 */
const apt = (...args) =>
  new Promise((resolve, reject) => {
    let interrupted = false
    const remember = () => {
      interrupted = true
      say("apt-get is finishing first")
    }
    process.on("SIGINT", remember)
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" }
    const child = spawn("apt-get", args, { env, detached: true, stdio: ["ignore", "inherit", "inherit"] })
    child.once("close", (code) => {
      process.off("SIGINT", remember)
      if (interrupted) process.exit(130)
      if (code === 0) resolve(undefined)
      else reject(new SetupFailed(`apt-get ${args[0]} ended with exit code ${code}`))
    })
    child.once("error", reject)
  })

const installNpmPackages = async () => {
  const installed = modifiedAt(join(root, "node_modules/.package-lock.json"))
  const token = join(root, "node_modules/pkcs11js/build/Release/pkcs11.node")
  // npm drops an optional package that could not be built; a compiler may have come since.
  if (installed >= modifiedAt(join(root, "package-lock.json")) && existsSync(token)) return
  if (find("npm") === undefined) throw new SetupFailed("npm is not installed; on Debian: apt-get install npm")
  say("installing npm packages (npm ci)")
  const headers = nodeHeaders()
  const env = { ...process.env }
  if (headers !== undefined) env.npm_config_nodedir ??= headers // otherwise node-gyp downloads them
  const { code } = await run("npm", ["ci", "--no-audit", "--no-fund"], { cwd: root, env, show: true })
  if (code !== 0) throw new SetupFailed(`npm ci ended with exit code ${code}`)
  if (!existsSync(token))
    throw new SetupFailed("pkcs11js was not built. See why: npm install --foreground-scripts --no-save pkcs11js")
}

const buildWhatIsStale = async () => {
  const built = modifiedAt(join(root, "dist/addons.txt")) // written last
  const sources = [newest(join(root, "src")), newest(join(root, "native")), modifiedAt(join(root, "scripts/build.mjs"))]
  if (built >= Math.max(...sources)) return
  say("building bundles and add-ons")
  const { code } = await run(process.execPath, [join(root, "scripts/build.mjs")], { cwd: root, show: true })
  if (code !== 0) throw new SetupFailed("the build failed. Run it alone: npm run build")
}

const modifiedAt = (path) => (existsSync(path) ? statSync(path).mtimeMs : 0)

const newest = (folder) =>
  Math.max(
    0,
    ...readdirSync(folder, { recursive: true, withFileTypes: true }).map((entry) =>
      modifiedAt(join(entry.parentPath, entry.name))
    )
  )

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    await setup(process.argv[2] === "demo" ? "demo" : "tests")
    say("ready")
  } catch (error) {
    if (!(error instanceof SetupFailed)) throw error
    process.stderr.write(`setup: ${error.message}\n`)
    process.exitCode = 1
  }
}
