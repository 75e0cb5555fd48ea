/** Makes a .deb of a tree of files: the same bytes for the same tree, on any machine at any time. */
import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import {
  chmodSync,
  existsSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync
} from "node:fs"
import { join } from "node:path"
import { PackageFailed } from "./package-failed.mjs"
import { maintainer } from "./products.mjs"

/** Fields in the order Debian prints them; empty ones are left out. */
const order = [
  ...["Package", "Version", "Architecture", "Maintainer", "Installed-Size"],
  ...["Depends", "Recommends", "Suggests", "Provides", "Conflicts", "Replaces"],
  ...["Section", "Priority", "Homepage", "Description"]
]

/** Answers the path of the .deb in `out`. `level`: of xz. */
export const makeDeb = ({ tree, out, scripts, product, version, architecture, depends, epoch, level = 9 }) => {
  const control = join(tree, "DEBIAN")
  const files = listed(tree)
  mkdirSync(control)
  const fields = {
    Package: product.name,
    Version: version,
    Architecture: architecture,
    Maintainer: maintainer,
    "Installed-Size": String(installedSize(tree, files)),
    ...Object.fromEntries(Object.entries(product.fields).map(([field, value]) => [field, value.join(", ")])),
    Depends: [...(product.fields.Depends ?? []), ...depends].join(", "),
    Section: "net",
    Priority: "optional",
    Description: describe(product)
  }
  const lines = order.filter((field) => fields[field]).map((field) => `${field}: ${fields[field]}`)
  writeFileSync(join(control, "control"), `${lines.join("\n")}\n`)
  writeFileSync(join(control, "md5sums"), sums(tree, files))
  writeScripts(control, scripts, product.name)
  settle(tree, epoch)
  const file = join(out, `${product.name}_${version}_${architecture}.deb`)
  const done = spawnSync(
    "dpkg-deb",
    ["--root-owner-group", "-Zxz", `-z${level}`, "--threads-max=1", "--build", tree, file],
    {
      env: { ...process.env, SOURCE_DATE_EPOCH: String(epoch) },
      encoding: "utf8"
    }
  )
  if (done.error?.code === "ENOENT") throw new PackageFailed("dpkg-deb is not installed: packages are made on Debian")
  if (done.status !== 0) throw new PackageFailed(`dpkg-deb: ${done.stderr.trim()}`)
  return file
}

const describe = ({ summary, description }) =>
  [
    summary,
    ...description
      .map((text) => wrapped(text))
      .join("\n.\n")
      .split("\n")
      .map((line) => ` ${line}`)
  ].join("\n")

const wrapped = (text) => text.replaceAll(/(.{1,76})(?: |$)/g, "$1\n").trimEnd()

/** Relative paths of files, directories and links. */
const listed = (tree) => readdirSync(tree, { recursive: true }).sort()

/** In KiB, as Policy 5.6.20 counts: files rounded up each, one for everything else. */
const installedSize = (tree, files) =>
  files.reduce((sum, file) => {
    const facts = lstatSync(join(tree, file))
    return sum + (facts.isFile() ? Math.ceil(facts.size / 1024) : 1)
  }, 0)

const sums = (tree, files) =>
  files
    .filter((file) => lstatSync(join(tree, file)).isFile())
    .map(
      (file) =>
        `${createHash("md5")
          .update(readFileSync(join(tree, file)))
          .digest("hex")}  ${file}\n`
    )
    .join("")

const writeScripts = (control, folder, name) => {
  for (const script of ["preinst", "postinst", "prerm", "postrm", "triggers"]) {
    const source = join(folder, `${name}.${script}`)
    if (!existsSync(source)) continue
    const text = readFileSync(source, "utf8").replaceAll(/^#PART (.*)$/gm, (_, parts) => partsOf(folder, parts))
    writeFileSync(join(control, script), text)
    chmodSync(join(control, script), script === "triggers" ? 0o644 : 0o755)
  }
}

const partsOf = (folder, names) =>
  names
    .split(" ")
    .map((name) => readFileSync(join(folder, "parts", `${name}.sh`), "utf8").trimEnd())
    .join("\n\n")

/** One time for all, and directories as every umask would have them. */
const settle = (tree, epoch) => {
  for (const file of [...listed(tree), "."].reverse()) {
    const path = join(tree, file)
    if (lstatSync(path).isDirectory()) chmodSync(path, 0o755)
    lutimesSync(path, epoch, epoch)
  }
}
