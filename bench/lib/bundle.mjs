/** Makes a measurement's TypeScript part run: bundled as the executables are, into dist, beside the token host. */
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { build } from "esbuild"

const root = join(dirname(fileURLToPath(import.meta.url)), "../..")

export const load = async (name) => {
  const outfile = join(root, "dist", `bench-${name}.cjs`)
  await build({
    entryPoints: [join(root, "bench/lib", `${name}.ts`)],
    outfile,
    bundle: true,
    platform: "node",
    target: "node20",
    format: "cjs",
    define: { __VERSION__: '"bench"' },
    external: ["pkcs11js", "*.node"],
    logLevel: "warning"
  })
  return createRequire(import.meta.url)(outfile)
}
