"use strict"
/**
 * Runs a bundle of dist/ as Node would, with V8's code cache where there is one: compiling is a third of a start.
 *
 * A cache is only taken for the very bundle, of which it holds a copy, and the very Node it was made with, and V8 checks again:
 * its version, flags and processor, but of the source the length alone. A copy is compared faster than a hash is made. None, an old one, one that cannot be read: the bundle is compiled as without it.
 * `node bin/write-code-cache.js` makes them.
 */
const { readFileSync } = require("node:fs")
const { Module, createRequire } = require("node:module")
const { dirname, join } = require("node:path")
const { Script, constants } = require("node:vm")

/** Answers the script, of which `createCachedData` may be called later. */
const load = (bundle) => {
  const bytes = readFileSync(bundle)
  const script = new Script(Module.wrap(bytes.toString()), {
    filename: bundle,
    cachedData: cachedData(bundle, bytes),
    importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER
  })
  const node = createRequire(bundle)
  // The bundles beside this one are started the same way.
  const requireFrom = (id) =>
    id.startsWith("./") && id.endsWith(".cjs") ? loaded(join(dirname(bundle), id)) : node(id)
  const module = { exports: {} }
  modules.set(bundle, module)
  script.runInThisContext()(module.exports, Object.assign(requireFrom, node), module, bundle, dirname(bundle))
  return script
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

module.exports = { load, cacheFile, cacheOf }
