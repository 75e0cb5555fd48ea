/** Compiles what goes into the packages, for one architecture: bundles, our add-ons, and that of pkcs11js. */
import { spawnSync } from "node:child_process"
import { cpSync, existsSync, mkdirSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { build } from "../build.mjs"
import { buildAddons, hardening } from "../build-addons.mjs"
import { nodeHeaders } from "../lib/node-headers.mjs"
import { PackageFailed } from "./package-failed.mjs"

/** Answers esbuild's metafile. The bundles are the same for every architecture. */
export const compileBundles = (out, version) => build({ out, version, library: false })

/** Into `out`: tls.node, unix.node and pkcs11.node, stripped. */
export const compileAddons = (root, out, tools) => {
  const headers = nodeHeaders()
  if (headers === undefined)
    throw new PackageFailed(
      "Node's headers (node_api.h) are missing\nhint: on Debian: apt-get install libnode-dev libssl-dev"
    )
  mkdirSync(out, { recursive: true })
  const common = ["-s", `-ffile-prefix-map=${root}=.`, "-Wl,--build-id=sha1"]
  const problems = buildAddons(root, {
    out,
    extraFlags: [...common, ...opensslHeaders(headers, out)],
    compiler: { command: tools.c, architecture: tools.node }
  })
  if (problems.length > 0) throw new PackageFailed(problems.join("\n"))
  compilePkcs11(root, join(out, "pkcs11.node"), headers, tools, common)
}

/**
 * Node's own headers have OpenSSL's beside them, those of Debian's libnode-dev do not, and a cross compiler does not look
 * into /usr/include: the two folders that libssl-dev fills become one. Its configuration is that of every 64-bit Linux.
 */
const opensslHeaders = (headers, out) => {
  if (existsSync(join(headers, "include/node/openssl/ssl.h"))) return []
  const target = join(out, "include")
  const multiarch = readdirSync("/usr/include").filter((name) => name.endsWith("-linux-gnu"))
  for (const folder of ["/usr/include", ...multiarch.map((name) => join("/usr/include", name))])
    if (existsSync(join(folder, "openssl")))
      cpSync(join(folder, "openssl"), join(target, "openssl"), { recursive: true })
  if (!existsSync(join(target, "openssl/ssl.h")))
    throw new PackageFailed("OpenSSL's headers are missing\nhint: on Debian: apt-get install libssl-dev")
  return [`-I${target}`]
}

/** As its binding.gyp says, with Debian's hardening flags. */
const compilePkcs11 = (root, target, headers, { cxx, node }, common) => {
  const source = join(root, "node_modules/pkcs11js")
  if (!existsSync(join(source, "src/main.cpp"))) throw new PackageFailed("pkcs11js is not installed\nhint: npm ci")
  const files = ["dl.cpp", "common.cpp", "main.cpp"].map((file) => join(source, "src", file))
  const args = [
    ...["-std=c++17", "-shared", "-fPIC", "-pthread", "-fno-exceptions", "-fvisibility=hidden", "-w"],
    ...hardening(node),
    "-Wl,-z,now",
    ...["-DNODE_GYP_MODULE_NAME=pkcs11", "-DBUILDING_NODE_EXTENSION", "-DNAPI_DISABLE_CPP_EXCEPTIONS"],
    ...common,
    ...[`-I${join(source, "includes")}`, `-I${join(headers, "include/node")}`],
    ...["-o", target],
    ...files
  ]
  const done = spawnSync(cxx, args, { encoding: "utf8" })
  if (done.status !== 0)
    throw new PackageFailed(`pkcs11js was not compiled: ${(done.error?.message ?? done.stderr).trim()}`)
}
