/**
 * Compiles the native add-ons with the C compiler and the headers that lie beside Node. Needs no download.
 *
 * N-API keeps one binary good for every Node we support, so nothing is rebuilt when Node changes.
 */
import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { nodeHeaders } from "./lib/node-headers.mjs"

/** What Debian hardens its own programs with. `architecture` is Node's name of it. */
export const hardening = (architecture) => [
  "-O2",
  "-fstack-protector-strong",
  "-fstack-clash-protection",
  "-D_FORTIFY_SOURCE=2",
  ...(architecture === "x64" ? ["-fcf-protection"] : []),
  ...(architecture === "arm64" ? ["-mbranch-protection=standard"] : []),
  "-Wl,-z,relro,-z,noexecstack"
]

const flags = [
  "-std=c11",
  "-shared",
  "-fPIC",
  "-pthread",
  "-Wall",
  "-Wextra",
  "-Werror=implicit-function-declaration",
  "-fvisibility=hidden",
  // its threads stay when the worker of Node that loaded it is gone (native/tls/threads.c)
  "-Wl,-z,nodelete",
  "-D_GNU_SOURCE",
  "-DNAPI_VERSION=8",
  "-DOPENSSL_API_COMPAT=30000",
  "-DOPENSSL_NO_DEPRECATED"
]

/** Each folder of native/ that is an add-on, with flags of its own. */
const addons = {
  // symbols.c reports what a Node lacks; bound at load, the load itself would fail with the linker's words
  tls: ["-Wl,-z,lazy"],
  unix: ["-Wl,-z,now"]
}

const newest = (files) => Math.max(...files.map((file) => statSync(file).mtimeMs))

/**
 * Each folder of native/ becomes <out>/<folder>.node. Returns the sentences about what could not be built, which are
 * also in <out>/addons.txt.
 */
export const buildAddons = (root, { out = join(root, "dist"), extraFlags = [], compiler = hostCompiler } = {}) => {
  const headers = nodeHeaders()
  const include = headers && join(headers, "include", "node")
  mkdirSync(out, { recursive: true })
  const problems = Object.entries(addons).flatMap(([name, ownFlags]) => {
    const target = join(out, `${name}.node`)
    const problem = buildAddon(join(root, "native", name), target, include, [...ownFlags, ...extraFlags], compiler)
    return problem ? [`native/${name} was not built: ${problem}`] : []
  })
  writeFileSync(join(out, "addons.txt"), problems.map((line) => `${line}\n`).join(""))
  for (const line of problems) process.stderr.write(`warning: ${line}\n`)
  return problems
}

const hostCompiler = { command: process.env.CC ?? "cc", architecture: process.arch }

/** Answers the problem, if there is one. */
const buildAddon = (folder, target, include, extraFlags, { command, architecture }) => {
  const files = readdirSync(folder).map((file) => join(folder, file))
  const newestInput = newest([...files, fileURLToPath(import.meta.url)])
  if (existsSync(target) && statSync(target).mtimeMs > newestInput) return undefined
  if (!include) return "Node's headers (node_api.h) are missing; on Debian: apt-get install libnode-dev"
  const sources = files.filter((file) => file.endsWith(".c"))
  // A running process may have the old file mapped: it is replaced, never written into.
  const fresh = `${target}.${process.pid}`
  const args = [...flags, ...hardening(architecture), ...extraFlags, `-I${include}`, "-o", fresh, ...sources]
  const done = spawnSync(command, args, { encoding: "utf8" })
  if (done.status !== 0) {
    rmSync(fresh, { force: true })
    return compilerProblem(done)
  }
  if (done.stderr) process.stderr.write(done.stderr)
  renameSync(fresh, target)
  return undefined
}

/** The compiler's message, and the Debian package that includes what it misses. */
const compilerProblem = ({ error, stderr, status, signal }) => {
  if (error?.code === "ENOENT") return "there is no C compiler (cc); on Debian: apt-get install gcc libc6-dev"
  const said = (error?.message ?? stderr).trim() || `the C compiler ended with ${signal ?? `exit code ${status}`}`
  const missing = /fatal error: (\S+): No such file/.exec(said)?.[1]
  if (missing === undefined) return said
  return `${said}\non Debian: apt-get install ${missing.startsWith("openssl/") ? "libssl-dev" : "libc6-dev"}`
}
