/**
 * A checkout that other users can read: some tests run programs of it as another user, as a device does.
 *
 * For root whose checkout lies where only root may look (below /root, or cloned with umask 077), the tests run in a copy.
 */
import { spawnSync } from "node:child_process"
import { chmodSync, mkdirSync, readdirSync, statSync } from "node:fs"
import { dirname, join } from "node:path"

/** `root`, or a copy of it in `dir`. */
export const readableCheckout = (root, dir) => {
  if (process.getuid?.() !== 0 || othersCanRead(root)) return root
  const copy = join(dir, "checkout")
  mkdirSync(copy)
  const names = readdirSync(root).filter((name) => name !== ".git")
  must("cp", "-a", ...names.map((name) => join(root, name)), copy)
  must("chmod", "-R", "go+rX", copy)
  chmodSync(copy, 0o755)
  return copy
}

const othersCanRead = (root) => {
  for (let folder = root; ; folder = dirname(folder)) {
    if ((statSync(folder).mode & 0o001) === 0) return false
    if (folder === dirname(folder)) break
  }
  return ["package.json", "bin/tedge", "dist/token-host.cjs", "node_modules/pkcs11js/package.json"].every((file) => {
    const found = statSync(join(root, file), { throwIfNoEntry: false })
    return found === undefined || (found.mode & 0o004) !== 0
  })
}

const must = (command, ...args) => {
  const { status, stderr } = spawnSync(command, args, { encoding: "utf8" })
  if (status !== 0) throw new Error(`${command} failed: ${stderr}`)
}
