"use strict"
// Before all else: with no listener for it, Node opens a debugger for every local user.
process.on("SIGUSR1", () => {})
/** Starts a bundle of dist/, or says how to make it. Node has followed symlinks by now: paths are those of the checkout. */
const { existsSync } = require("node:fs")
const { dirname, join } = require("node:path")

const dist = join(__dirname, "..", "dist")

module.exports = (name) => {
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
    require("./load-bundle.js").load(bundle)
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
