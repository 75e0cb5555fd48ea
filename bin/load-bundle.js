"use strict"
/**
 * Runs a bundle of dist/ as Node would, with V8's code cache where there is one: compiling is a third of a start.
 *
 * A cache is only taken for the very bundle (size and time of its last change) and the very Node it was made with, and
 * V8 checks again. None, an old one, one that cannot be read: the bundle is compiled as without it.
 * `node bin/write-code-cache.js` makes them.
 */
const { readFileSync, statSync } = require("node:fs")
const { Module, createRequire } = require("node:module")
const { basename, dirname, join } = require("node:path")
const { Script, constants } = require("node:vm")

/** Answers the script, of which `createCachedData` may be called later. */
const load = (bundle) => {
  const source = readFileSync(bundle, "utf8")
  const script = new Script(Module.wrap(source), {
    filename: bundle,
    cachedData: cachedData(bundle),
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
const cachedData = (bundle) => {
  try {
    const file = readFileSync(cacheFile(bundle))
    const mark = Buffer.from(markOf(bundle))
    return file.subarray(0, mark.length).equals(mark) ? file.subarray(mark.length) : undefined
  } catch {
    return undefined
  }
}

/** What a cache begins with. V8's own check of the source is one of its length alone. */
const markOf = (bundle) => {
  const { size, mtimeMs } = statSync(bundle)
  return `${basename(bundle)} ${size} ${mtimeMs} ${process.version} ${process.arch}\n`
}

const cacheFile = (bundle) => `${bundle}.${process.version}-${process.arch}.cache`

module.exports = { load, cacheFile, markOf }
