/** Makes a measurement's TypeScript part run: bundled as the executables are, into dist, beside the token host. */
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { build } from "esbuild"

const root = join(dirname(fileURLToPath(import.meta.url)), "../..")

export const load = async (name) =>
  createRequire(import.meta.url)(await bundle(join(root, "bench/lib", `${name}.ts`), `bench-${name}`))

/** Answers the path of the bundle, dist/<name>.cjs. */
export const bundle = async (entry, name) => {
  const outfile = join(root, "dist", `${name}.cjs`)
  await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: "node",
    target: "node20",
    format: "cjs",
    define: { __VERSION__: '"bench"' },
    external: ["pkcs11js", "*.node"],
    logLevel: "warning"
  })
  return outfile
}
