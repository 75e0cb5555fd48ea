"use strict"
/**
 * What NODE_COMPILE_CACHE does from Node 22 on, for Node 20: the code of a bundle is compiled once for all processes.
 * The tests start thousands of them; loaded by --require (own-directory.mjs).
 */
const { mkdirSync, readFileSync, renameSync, writeFileSync } = require("node:fs")
const Module = require("node:module")
const { basename, dirname, join } = require("node:path")
const { Script, constants } = require("node:vm")

const folder = process.env.NODE_COMPILE_CACHE
const isBundle = (file, text) => file.endsWith(".cjs") && text.length > 50_000
const compile = Module.prototype._compile

if (folder)
  Module.prototype._compile = function (text, filename) {
    return isBundle(filename, text) ? compileOnce(this, text, filename) : compile.call(this, text, filename)
  }

const compileOnce = (module, text, filename) => {
  // V8 takes any source of the same length for the same: the folder is of one run, in which no bundle changes.
  const kept = join(folder, basename(filename))
  const cachedData = contentOf(kept)
  const script = new Script(Module.wrap(text), {
    filename,
    cachedData,
    importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER
  })
  // At the end, because then what was called is compiled too.
  if (cachedData === undefined) process.once("exit", () => keep(kept, script.createCachedData()))
  const require = Module.createRequire(filename)
  require.main = process.mainModule
  return script.runInThisContext().call(module.exports, module.exports, require, module, filename, dirname(filename))
}

const contentOf = (file) => {
  try {
    return readFileSync(file)
  } catch {
    return undefined
  }
}

/** Several processes may do so at once, as several users. */
const keep = (file, content) => {
  try {
    mkdirSync(folder, { recursive: true })
    writeFileSync(`${file}.${process.pid}`, content)
    renameSync(`${file}.${process.pid}`, file)
  } catch {
    // Then the next one compiles again.
  }
}
