"use strict"
// Before all else: with no listener for it, Node opens a debugger for every local user.
process.on("SIGUSR1", () => {})
/** Starts a bundle of dist/, or says how to make it. Node has followed symlinks by now: paths are those of the checkout. */
const { existsSync, readFileSync } = require("node:fs")
const { dirname, join } = require("node:path")
const { Script, constants } = require("node:vm")

const dist = join(__dirname, "..", "dist")

const start = (name) => {
  const bundle = join(dist, `${name}.cjs`)
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number)
  if (major < 20 || (major === 20 && minor < 19))
    fail(`${name} needs Node 20.19 or newer, this is ${process.versions.node}`, "install Node 22 or 24")
  else if (existsSync(bundle)) {
    const secrets = secretsIn(process.argv.slice(2))
    if (secrets.length > 0)
      withAddon((addon) => {
        for (const secret of secrets) addon.blankArgument(secret)
      })
    load(bundle)
  } else fail(`${name} is not built yet`, `run this first: npm ci (in ${dirname(__dirname)})`)
}

const fail = (error, hint) => {
  process.stderr.write(`error: ${error}\nhint: ${hint}\n`)
  process.exitCode = 1
}

/**
 * What looks like a secret: `--new-pin VALUE`, `--pin=VALUE`, `device.key_pin VALUE`, `?pin-value=VALUE`. The bundle
 * knows for certain, but loading it takes as long as `ps` needs to show a PIN.
 */
const secretsIn = (words) =>
  words.flatMap((word, index) => {
    const next = words[index + 1]
    const found = [...word.matchAll(/[?&]pin-value=([^&]+)/g)].map((match) => match[1])
    if (/^--[a-z-]*(?:pin|password)=./.test(word)) found.push(word.slice(word.indexOf("=") + 1))
    if (next && !next.startsWith("--") && /^(?:--[a-z-]*(?:pin|password)|[\w.-]+[._](?:pin|password))$/.test(word))
      found.push(next)
    return found
  })

const withAddon = (work) => {
  const addon = { exports: {} }
  try {
    // Only here: every start would pay for it.
    process.dlopen(addon, join(dist, "unix.node"), require("node:os").constants.dlopen.RTLD_LAZY)
    work(addon.exports)
  } catch {
    // Without the add-on secrets stay visible, as with every other program; whatever needs the add-on says so.
  }
}

/**
 * Runs a bundle of dist/ as Node would, with V8's code cache where there is one: compiling is a third of a start.
 *
 * A cache is only taken for the very bundle, of which it holds a copy, and the very Node it was made with, and V8 checks again:
 * its version, flags and processor, but of the source the length alone. A copy is compared faster than a hash is made. None, an
 * old one, one that cannot be read: the bundle is compiled as without it. `node bin/write-code-cache.js` makes them.
 *
 * `use` gets the script before it runs, which may end the process.
 */
const load = (bundle, use = () => {}) => {
  const bytes = readFileSync(bundle)
  const script = new Script(module.constructor.wrap(bytes.toString()), {
    filename: bundle,
    cachedData: cachedData(bundle, bytes),
    importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER
  })
  // The bundles beside this one are started the same way. Everything else is a module of Node, or pkcs11js.
  const requireFrom = (id) =>
    id.startsWith("./") && id.endsWith(".cjs") ? loaded(join(dirname(bundle), id)) : require(id)
  const loading = { exports: {} }
  modules.set(bundle, loading)
  use(script)
  script.runInThisContext()(loading.exports, Object.assign(requireFrom, require), loading, bundle, dirname(bundle))
}

const modules = new Map()

const loaded = (bundle) => {
  if (!modules.has(bundle)) load(bundle)
  return modules.get(bundle).exports
}

/** What V8 may use instead of compiling; undefined: nothing fits. */
const cachedData = (bundle, bytes) => {
  try {
    const file = readFileSync(cacheFile(bundle))
    const node = Buffer.from(nodeMark)
    const end = node.length + bytes.length
    const fits = file.subarray(0, node.length).equals(node) && file.subarray(node.length, end).equals(bytes)
    return fits ? file.subarray(end) : undefined
  } catch {
    return undefined
  }
}

const nodeMark = `${process.version} ${process.arch}\n`

/** A cache is this, the bundle, and what V8 made of it. */
const cacheOf = (bundle, script) =>
  Buffer.concat([Buffer.from(nodeMark), readFileSync(bundle), script.createCachedData()])

const cacheFile = (bundle) => `${bundle}.${process.version}-${process.arch}.cache`

module.exports = Object.assign(start, { load, cacheFile, cacheOf })
