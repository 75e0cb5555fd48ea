/**
 * Compiles the native add-ons with the C compiler and the headers that lie beside Node. Needs no download.
 *
 * N-API keeps one binary good for every Node we support, so nothing is rebuilt when Node changes.
 */
import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"

const flags = [
  "-std=c11",
  "-O2",
  "-shared",
  "-fPIC",
  "-pthread",
  "-Wall",
  "-Wextra",
  "-Werror=implicit-function-declaration",
  "-fstack-protector-strong",
  "-fvisibility=hidden",
  "-D_GNU_SOURCE",
  "-DNAPI_VERSION=8",
  "-DOPENSSL_API_COMPAT=30000",
  "-DOPENSSL_NO_DEPRECATED"
]

/** Where this Node's headers are, or undefined. */
const headers = () =>
  [process.env.npm_config_nodedir, dirname(dirname(process.execPath)), "/usr", "/usr/local"]
    .filter((dir) => dir)
    .map((dir) => join(dir, "include", "node"))
    .find((dir) => existsSync(join(dir, "node_api.h")))

const newest = (files) => Math.max(...files.map((file) => statSync(file).mtimeMs))

/** Each folder of native/ becomes dist/<folder>.node. Returns the sentences about what could not be built. */
export const buildAddons = (root) => {
  const problems = []
  const include = headers()
  mkdirSync(join(root, "dist"), { recursive: true })
  for (const name of ["tls", "unix"]) {
    const folder = join(root, "native", name)
    if (!existsSync(folder)) continue
    const files = readdirSync(folder).map((file) => join(folder, file))
    const target = join(root, "dist", `${name}.node`)
    if (existsSync(target) && statSync(target).mtimeMs > newest(files)) continue
    if (!include) {
      problems.push(`native/${name} was not built: Node's headers (node_api.h) are not installed beside Node`)
      continue
    }
    const sources = files.filter((file) => file.endsWith(".c"))
    const done = spawnSync(process.env.CC ?? "cc", [...flags, `-I${include}`, "-o", target, ...sources], {
      encoding: "utf8"
    })
    if (done.status !== 0) problems.push(`native/${name} was not built: ${(done.error?.message ?? done.stderr).trim()}`)
    else if (done.stderr) process.stderr.write(done.stderr)
  }
  writeFileSync(join(root, "dist", "addons.txt"), problems.map((line) => `${line}\n`).join(""))
  for (const line of problems) process.stderr.write(`warning: ${line}\n`)
  return problems
}
