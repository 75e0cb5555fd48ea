/**
 * `npm run package`: the Debian packages, into out/.
 *
 * Without `--arch` for this machine's architecture and for each other it has compilers for; the rest is named.
 * `--node 22`: also tedge-actors-node, with the Node of that version, for a Debian whose own is too old.
 * `--version`: in place of that of package.json; given twice, both are made, and the add-ons compiled once.
 * Beside each package its SBOM (CycloneDX), and SHA256SUMS for all. The same source gives the same bytes; the time in
 * them is SOURCE_DATE_EPOCH, else that of the last commit, else that of CHANGELOG.md.
 */
import "./lib/node-version.mjs"
import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { architectures, hostArchitecture, toolsFor } from "./package/architectures.mjs"
import { compileAddons, compileBundles } from "./package/compile.mjs"
import { makeDeb } from "./package/deb.mjs"
import { libraryPackages } from "./package/libraries.mjs"
import { makeNodeDeb } from "./package/node-package.mjs"
import { bundledPackages, softwareBill } from "./package/notices.mjs"
import { PackageFailed } from "./package/package-failed.mjs"
import { products } from "./package/products.mjs"
import { loadTexts } from "./package/texts.mjs"
import { writeTree } from "./package/tree.mjs"

const root = join(dirname(fileURLToPath(import.meta.url)), "..")

const maintainerScripts = join(root, "packaging/debian")

const main = async (args) => {
  const { values } = parseArgs({
    args,
    options: {
      arch: { type: "string", multiple: true },
      out: { type: "string" },
      version: { type: "string", multiple: true },
      node: { type: "string" }
    }
  })
  const out = values.out ?? join(root, "out")
  const time = dates()
  const wanted = values.arch?.map(toolsFor) ?? possibleTools()
  const work = mkdtempSync(join(tmpdir(), "tedge-package-"))
  try {
    mkdirSync(out, { recursive: true })
    for (const tools of wanted) {
      if (values.node !== undefined) packageNode(values.node, tools, { work, out, epoch: time.epoch })
      compileAddons(root, join(work, tools.name), tools)
    }
    for (const version of values.version ?? [packageVersion()]) {
      const bundles = join(work, version)
      const metafile = await compileBundles(bundles, version)
      const texts = await loadTexts(root, version)
      for (const tools of wanted)
        packageFor(tools, { work, bundles, metafile, texts, out, facts: { version, ...time } })
    }
  } finally {
    rmSync(work, { recursive: true })
  }
  writeSums(out)
}

const packageNode = (wanted, tools, { work, out, epoch }) => {
  const { file, name, version, source } = makeNodeDeb({ wanted, tools, work, out, epoch, scripts: maintainerScripts })
  writeBill(file, { name, version, license: "MIT", architecture: tools.name, epoch, packages: [source] })
  report(file)
}

/** Beside the package. */
const writeBill = (file, facts) =>
  writeFileSync(file.replace(/\.deb$/, ".cdx.json"), softwareBill({ ...facts, uuid: uuidOf(readFileSync(file)) }))

const packageFor = (tools, { work, bundles, metafile, texts, out, facts }) => {
  const built = join(work, tools.name)
  for (const file of readdirSync(bundles)) copyFileSync(join(bundles, file), join(built, file))
  for (const product of products) {
    const tree = join(work, `${product.name}-${facts.version}-${tools.name}`)
    const packages = bundledPackages(root, metafile, product.bundles, ["pkcs11js"])
    writeTree(tree, { root, product, built, texts, packages, facts })
    const depends = libraryPackages([...product.addons, "pkcs11"].map((name) => join(built, `${name}.node`)))
    const { version, epoch } = facts
    const file = makeDeb({
      tree,
      out,
      scripts: maintainerScripts,
      product,
      version,
      architecture: tools.name,
      depends,
      epoch
    })
    writeBill(file, { name: product.name, version, architecture: tools.name, epoch, packages })
    report(file)
  }
}

const report = (file) => process.stdout.write(`${file}  ${(statSync(file).size / 1e6).toFixed(2)} MB\n`)

const packageVersion = () => JSON.parse(readFileSync(join(root, "package.json"), "utf8")).version

const dates = () => {
  const commit = spawnSync("git", ["log", "-1", "--format=%ct"], { cwd: root, encoding: "utf8" }).stdout?.trim()
  const epoch = Number(
    process.env.SOURCE_DATE_EPOCH || commit || Math.floor(statSync(join(root, "CHANGELOG.md")).mtimeMs / 1000)
  )
  if (!Number.isSafeInteger(epoch)) throw new PackageFailed("SOURCE_DATE_EPOCH is not a number of seconds")
  return { epoch, date: new Date(epoch * 1000).toISOString().slice(0, 10) }
}

/** Made of what it names, so that the same package has the same one (RFC 9562, version 8). */
const uuidOf = (bytes) => {
  const hash = createHash("sha256").update(bytes).digest()
  hash[6] = (hash[6] & 0x0f) | 0x80
  hash[8] = (hash[8] & 0x3f) | 0x80
  return hash.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12}).*/, "$1-$2-$3-$4-$5")
}

const writeSums = (out) => {
  const files = readdirSync(out).filter((file) => /\.(deb|cdx\.json)$/.test(file))
  const line = (file) =>
    `${createHash("sha256")
      .update(readFileSync(join(out, file)))
      .digest("hex")}  ${file}\n`
  writeFileSync(join(out, "SHA256SUMS"), files.sort().map(line).join(""))
}

/** Without `--arch`: this machine's, and each other whose compilers are there. */
const possibleTools = () => {
  const host = toolsFor(hostArchitecture())
  const others = architectures.filter((name) => name !== host.name).flatMap((name) => toolsOrNotice(name))
  return [host, ...others]
}

const toolsOrNotice = (name) => {
  try {
    return [toolsFor(name)]
  } catch (error) {
    if (!(error instanceof PackageFailed)) throw error
    process.stdout.write(`not made: packages for ${name}: ${error.message}\n`)
    return []
  }
}

try {
  await main(process.argv.slice(2))
} catch (error) {
  if (!(error instanceof PackageFailed) && !error.code?.startsWith("ERR_PARSE_ARGS")) throw error
  process.stderr.write(`error: ${error.message}\n`)
  process.exitCode = 1
}
