"use strict"
/** Starts a bundle of dist/, or says how to make it. Node has followed symlinks by now: paths are those of the checkout. */
const { existsSync } = require("node:fs")
const { dirname, join } = require("node:path")

module.exports = (name) => {
  const bundle = join(__dirname, "..", "dist", `${name}.cjs`)
  if (existsSync(bundle)) return require(bundle)
  process.stderr.write(`error: ${name} is not built yet\nhint: run this first: npm ci (in ${dirname(__dirname)})\n`)
  process.exitCode = 1
}
