/**
 * The package as a library, in dist/: each entry as an ES module and as CommonJS, with types for both.
 *
 * Every entry exists once in a program, however it is loaded. `tls` is one CommonJS bundle with all it needs, and its ES
 * module hands on the names. The runtime is an ES module over the program's own Effect and rxjs, and its CommonJS
 * requires it.
 */
import { spawnSync } from "node:child_process"
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"

/** Entry -> its source, for those over the program's own Effect. */
const overEffect = { runtime: "src/runtime/actors.ts", testing: "src/testing/testing.ts" }

/** `shared`: the settings of all bundles. */
export const buildLibrary = async (root, bundle, shared) => {
  const out = join(root, "dist")
  rmSync(join(out, "chunks"), { recursive: true, force: true })
  await bundle({
    ...shared,
    entryPoints: overEffect,
    // Read by people.
    minifyWhitespace: false,
    minifySyntax: false,
    format: "esm",
    // What both entries use is in both the same.
    splitting: true,
    chunkNames: "chunks/[hash]",
    outExtension: { ".js": ".mjs" },
    external: ["effect", "effect/*", "rxjs"]
  })
  for (const name of Object.keys(overEffect))
    writeFileSync(join(out, `${name}.cjs`), `module.exports = require("./${name}.mjs")\n`)
  const names = Object.keys(createRequire(import.meta.url)(join(out, "tls.cjs"))).toSorted()
  writeFileSync(join(out, "tls.mjs"), `import tls from "./tls.cjs"\nexport const { ${names.join(", ")} } = tls\n`)
  buildTypes(root, join(out, "types"))
}

/** TypeScript reads a declaration as the kind of module its name says, so both kinds have their own. */
const buildTypes = (root, out) => {
  const compiler = join(root, "node_modules/typescript/bin/tsc")
  const { status, stdout, stderr } = spawnSync(process.execPath, [compiler, "-p", join(root, "tsconfig.types.json")], {
    encoding: "utf8"
  })
  if (status !== 0) {
    process.stderr.write(`warning: the types of the library were not written: ${(stdout + stderr).trim()}\n`)
    return
  }
  const made = join(root, "build/types")
  rmSync(out, { recursive: true, force: true })
  for (const file of reached(made, entries))
    for (const kind of ["mjs", "cjs"]) writeKind(made, file, join(out, kind), kind)
}

const entries = ["runtime/actors.d.ts", "testing/testing.d.ts", "tls/tls.d.ts"]
const relative = /((?:from |import\()"\.{1,2}\/[^"]*)\.ts"/g

/** Those that the entries show; the compiler writes all it has read. */
const reached = (made, from) => {
  const found = new Set(from)
  for (const file of found)
    for (const [, specifier] of readFileSync(join(made, file), "utf8").matchAll(relative))
      found.add(join(dirname(file), `${specifier.split('"')[1]}.d.ts`))
  return found
}

const writeKind = (made, file, out, kind) => {
  const text = readFileSync(join(made, file), "utf8")
  const target = join(out, file.replace(/\.ts$/, `.${kind.slice(0, 1)}ts`))
  mkdirSync(dirname(target), { recursive: true })
  writeFileSync(target, text.replace(relative, `$1.${kind}"`))
}
