/**
 * npm's `install`: makes the native add-ons of dist/ load on this machine.
 *
 * The package includes them compiled. Where they do not load (another processor, another C library) they are compiled
 * anew. Without a compiler the installation succeeds all the same: what needs an add-on says why it is not there.
 */
import { spawnSync } from "node:child_process"
import { existsSync, rmSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { buildAddons } from "./build-addons.mjs"

const root = join(dirname(fileURLToPath(import.meta.url)), "..")
const dist = join(root, "dist")

/** In a process of its own: a library for another machine may do anything. */
const loads = (file) =>
  spawnSync(process.execPath, ["-e", "process.dlopen({ exports: {} }, process.argv[1])", file], { stdio: "ignore" })
    .status === 0

const unfit = ["tls", "unix"].filter((name) => !loads(join(dist, `${name}.node`)))
// A checkout has none yet; its `prepare` compiles them.
if (unfit.length > 0 && existsSync(join(dist, "tls.cjs"))) {
  for (const name of unfit) rmSync(join(dist, `${name}.node`), { force: true })
  buildAddons(root)
}
