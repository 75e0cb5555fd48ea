/** Makes a measurement's TypeScript part run: bundled as the executables are, for dist, beside the token host. */
import { writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { compileFunction } from "node:vm"
import { build } from "esbuild"

const root = join(dirname(fileURLToPath(import.meta.url)), "../..")

/** What bench/lib/`name`.ts exports. No file is written: another measurement may run in this checkout. */
export const load = async (name) => {
  const file = join(root, "dist", `bench-${name}.cjs`)
  const text = await bundled(join(root, "bench/lib", `${name}.ts`), file)
  const module = { exports: {} }
  const parameters = ["require", "module", "exports", "__filename", "__dirname"]
  const run = compileFunction(text, parameters, { filename: file })
  run(createRequire(file), module, module.exports, file, dirname(file))
  return module.exports
}

/** Answers the path of the bundle, dist/<name>.cjs. */
export const bundle = async (entry, name) => {
  const file = join(root, "dist", `${name}.cjs`)
  writeFileSync(file, await bundled(entry, file))
  return file
}

const bundled = async (entry, outfile) => {
  const { outputFiles } = await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    write: false,
    platform: "node",
    target: "node20",
    format: "cjs",
    define: { __VERSION__: '"bench"' },
    external: ["pkcs11js", "*.node"],
    logLevel: "warning"
  })
  return outputFiles[0].text
}
