/** The files of a package, as they lie in it. */
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, extname, join } from "node:path"
import { debianChangelog } from "./changelog.mjs"
import { compressed } from "./compressed.mjs"
import { copyrightFile } from "./notices.mjs"
import { PackageFailed } from "./package-failed.mjs"

/** Folder of packaging/ with one file -> where it belongs, under the name of the package: two of them may be on a device. */
const named = {
  "tmpfiles.d": "usr/lib/tmpfiles.d",
  "sysusers.d": "usr/lib/sysusers.d",
  "polkit-1/rules.d": "usr/share/polkit-1/rules.d"
}

/** Writes the tree of `product` into `tree`. `built`: folder with bundles and add-ons; `facts`: version, epoch, date. */
export const writeTree = (tree, { root, product, built, texts, packages, facts }) => {
  const put = (path, content, mode = 0o644) => {
    const file = join(tree, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, content)
    chmodSync(file, mode)
  }
  writePrograms(put, { root, product, built })
  writeUnits(put, join(root, "packaging"), product)
  writeDocuments(put, { root, product, texts, packages, facts })
}

const libraryFolder = (product) => `usr/lib/${product.name}`

const writePrograms = (put, { root, product, built }) => {
  const folder = libraryFolder(product)
  for (const bundle of product.bundles) {
    const code = readFileSync(join(built, `${bundle}.cjs`), "utf8")
    for (const [, loaded] of code.matchAll(/\b(?:require|import)\("\.\/([a-z0-9-]+)\.cjs"\)/g))
      if (!product.bundles.includes(loaded))
        throw new PackageFailed(`${product.name}: ${bundle}.cjs loads ${loaded}.cjs, which is not in the package`)
    put(`${folder}/dist/${bundle}.cjs`, code)
  }
  for (const addon of product.addons) put(`${folder}/dist/${addon}.node`, readFileSync(join(built, `${addon}.node`)))
  const pkcs11 = `${folder}/node_modules/pkcs11js`
  for (const file of ["index.js", "package.json"])
    put(`${pkcs11}/${file}`, readFileSync(join(root, "node_modules/pkcs11js", file)))
  put(`${pkcs11}/build/Release/pkcs11.node`, readFileSync(join(built, "pkcs11.node")))
  for (const file of filesIn(join(root, "bin")).filter((name) => extname(name) !== ""))
    put(`${folder}/bin/${file}`, readFileSync(join(root, "bin", file)))
  for (const [command, bundle] of Object.entries({ ...product.inside, ...product.programs })) {
    put(`${folder}/bin/${command}`, `"use strict"\nrequire("./start.js")("${bundle}")\n`)
    if (command in product.programs) put(`usr/bin/${command}`, launcher(`/${folder}/bin/${command}`, bundle), 0o755)
  }
}

/** `env node` would take any Node of the caller's PATH, and on Debian 12 one that is too old. */
const launcher = (script, bundle) => `#!/bin/sh
# With the Node of the package tedge-actors-node where that is installed, else with Debian's.
node=/usr/lib/tedge-actors-node/bin/node
[ -x "$node" ] || node=/usr/bin/node
${bundle === "tedge" ? 'exec "$node"' : `${malloc} exec "$node" --v8-pool-size=1`} ${script} "$@"
`

/** Of services, as in bin/. */
const malloc = `MALLOC_ARENA_MAX=1 GLIBC_TUNABLES=\${GLIBC_TUNABLES-glibc.malloc.tcache_count=0}`

/** Units as they are; drop-ins are copied from /usr/share by who needs them. */
const writeUnits = (put, packaging, product) => {
  const systemd = join(packaging, "systemd")
  for (const file of filesIn(systemd).filter(product.owns)) {
    const content = readFileSync(join(systemd, file))
    if (dirname(file) === ".") put(`usr/lib/systemd/system/${file}`, content)
    else put(`usr/share/${product.name}/${file.replace(/\.example$/, "")}`, content)
  }
  for (const [folder, place] of Object.entries(named))
    for (const file of filesIn(join(packaging, folder)))
      put(`${place}/${product.name}${extname(file)}`, readFileSync(join(packaging, folder, file)))
  if (product.editsMosquitto)
    put(`usr/share/${product.name}/apparmor`, readFileSync(join(packaging, "apparmor.d/tedge-actors-mosquitto")))
}

/** Relative, with those of the folders of drop-ins. */
const filesIn = (folder) =>
  existsSync(folder)
    ? readdirSync(folder, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(folder.length + 1))
        .sort()
    : []

const writeDocuments = (put, { root, product, texts, packages, facts }) => {
  const { name } = product
  const changelog = debianChangelog(readFileSync(join(root, "CHANGELOG.md"), "utf8"), { name, ...facts })
  put(`usr/share/doc/${name}/changelog.gz`, compressed(changelog))
  put(`usr/share/doc/${name}/copyright`, copyrightFile(packages))
  for (const manual of product.manuals)
    for (const page of texts.manPages(manual, facts.date))
      put(`usr/share/man/man${manual.section}/${page.file}.gz`, compressed(page.text))
  const overrides = join(root, "packaging/debian", `${name}.lintian-overrides`)
  if (existsSync(overrides)) put(`usr/share/lintian/overrides/${name}`, readFileSync(overrides))
  if (product.completions === undefined) return
  const { bash, zsh, fish } = texts.completions(product.completions)
  put(`usr/share/bash-completion/completions/${product.completions}`, bash)
  put(`usr/share/zsh/vendor-completions/_${product.completions}`, zsh)
  put(`usr/share/fish/vendor_completions.d/${product.completions}.fish`, fish)
}
