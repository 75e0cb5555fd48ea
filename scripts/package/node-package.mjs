/**
 * The package tedge-actors-node: the `node` binary of the npm registry, for a Debian whose own is too old.
 *
 * docs/decisions/0017 says why it is a package of its own.
 */
import { spawnSync } from "node:child_process"
import { chmodSync, cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { compressed } from "./compressed.mjs"
import { makeDeb } from "./deb.mjs"
import { PackageFailed } from "./package-failed.mjs"
import { maintainer } from "./products.mjs"

const product = {
  name: "tedge-actors-node",
  summary: "Node.js for tedge-actors on systems whose own is too old",
  description: [
    "The node binary of the Node.js project, in /usr/lib/tedge-actors-node: not in PATH, and beside the Node of the system. The programs of tedge-actors start with it when it is installed."
  ],
  fields: { Depends: ["libc6 (>= 2.28)", "libstdc++6 (>= 9)", "libgcc-s1"] }
}

/** `wanted`: an exact version of Node, or a range npm knows (`22`). Answers `{ file, name, version, source }`, the npm package last. */
export const makeNodeDeb = ({ wanted, tools, work, out, epoch, scripts }) => {
  const fetched = join(work, `node-${tools.name}`)
  mkdirSync(fetched)
  const source = `node-linux-${tools.node}`
  const packed = command("npm", ["pack", "--json", "--pack-destination", fetched, `${source}@${wanted}`], work)
  const { filename, version, integrity } = [JSON.parse(packed)].flat().at(-1)
  command("tar", ["-xzf", filename, "package/bin/node", "package/LICENSE"], fetched)
  const tree = join(work, `${product.name}-${tools.name}`)
  const place = join(tree, "usr/lib", product.name, "bin")
  const documents = join(tree, "usr/share/doc", product.name)
  const overrides = join(tree, "usr/share/lintian/overrides")
  for (const folder of [place, documents, overrides]) mkdirSync(folder, { recursive: true })
  cpSync(join(fetched, "package/bin/node"), join(place, "node"))
  chmodSync(join(place, "node"), 0o755)
  writeFileSync(join(documents, "copyright"), readFileSync(join(fetched, "package/LICENSE")))
  cpSync(join(scripts, `${product.name}.lintian-overrides`), join(overrides, product.name))
  const when = new Date(epoch * 1000).toUTCString().replace("GMT", "+0000")
  writeFileSync(
    join(documents, "changelog.gz"),
    compressed(
      `${product.name} (${version}) unstable; urgency=medium\n\n  * Node.js ${version}.\n\n -- ${maintainer}  ${when}\n`
    )
  )
  // 125 MB: a tenth smaller would take three times as long.
  const file = makeDeb({ tree, out, scripts, product, version, architecture: tools.name, depends: [], epoch, level: 0 })
  return { file, name: product.name, version, source: { name: source, version, license: "MIT", integrity } }
}

const command = (file, args, cwd) => {
  const done = spawnSync(file, args, { cwd, encoding: "utf8" })
  if (done.status !== 0) throw new PackageFailed(`${file} ${args[0]}: ${(done.error?.message ?? done.stderr).trim()}`)
  return done.stdout
}
