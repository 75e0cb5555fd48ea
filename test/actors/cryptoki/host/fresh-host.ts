/** Bundles the token host again when its sources are newer, so that tests never run yesterday's. */
import { existsSync, readdirSync, renameSync, rmSync, statSync } from "node:fs"
import { join } from "node:path"
import { build } from "esbuild"

const root = join(import.meta.dirname, "../../../..")
const target = join(root, "dist/token-host.cjs")

export const freshHost = async (): Promise<void> => {
  const newest = ["src/actors/cryptoki", "src/messages", "src/platform", "src/runtime/primitives"]
    .flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: "utf8" }).map((file) => join(root, folder, file))
    )
    .reduce((latest, file) => Math.max(latest, statSync(file).mtimeMs), 0)
  if (existsSync(target) && statSync(target).mtimeMs > newest) return
  // Two test processes may do it at once.
  const made = `${target}.${process.pid}`
  await build({
    entryPoints: [join(root, "src/actors/cryptoki/host/process/token-host.ts")],
    outfile: made,
    bundle: true,
    platform: "node",
    target: "node20",
    format: "cjs",
    external: ["pkcs11js", "*.node"],
    logLevel: "error"
  })
  renameSync(made, target)
  rmSync(made, { force: true })
}
