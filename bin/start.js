"use strict"
/** Starts a bundle of dist/, or says how to make it. Node has followed symlinks by now: paths are those of the checkout. */
const { existsSync } = require("node:fs")
const { dirname, join } = require("node:path")

module.exports = (name) => {
  const bundle = join(__dirname, "..", "dist", `${name}.cjs`)
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number)
  if (major < 20 || (major === 20 && minor < 19))
    fail(`${name} needs Node 20.19 or newer, this is ${process.versions.node}`, "install Node 22 or 24")
  else if (existsSync(bundle)) require(bundle)
  else fail(`${name} is not built yet`, `run this first: npm ci (in ${dirname(__dirname)})`)
}

const fail = (error, hint) => {
  process.stderr.write(`error: ${error}\nhint: ${hint}\n`)
  process.exitCode = 1
}
