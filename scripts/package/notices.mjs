/** What is bundled, from esbuild's metafile: licence notices for Debian's copyright file, components for the SBOM. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { PackageFailed } from "./package-failed.mjs"

/** The npm packages inside these bundles, sorted: `{ name, version, license, text, copyright, integrity }`. */
export const bundledPackages = (root, metafile, bundles, others = []) => {
  const inputs = Object.entries(metafile.outputs)
    .filter(([path]) => bundles.some((name) => path.endsWith(`/${name}.cjs`) || path === `${name}.cjs`))
    .flatMap(([, output]) => Object.entries(output.inputs))
    .filter(([, { bytesInOutput }]) => bytesInOutput > 0)
    .map(([path]) => path)
  const folders = new Set([...inputs.flatMap(folderOf), ...others.map((name) => `node_modules/${name}`)])
  const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")).packages
  return [...folders].sort().map((folder) => describe(root, folder, lock))
}

/** `node_modules/a/node_modules/@b/c` of a file in it. */
const folderOf = (path) => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.slice(0, 1) ?? []

const describe = (root, folder, lock) => {
  const { name, version, license } = JSON.parse(readFileSync(join(root, folder, "package.json"), "utf8"))
  const textOf = (pattern) => {
    const file = readdirSync(join(root, folder)).find((entry) => pattern.test(entry))
    return (
      file &&
      readFileSync(join(root, folder, file), "utf8")
        .replaceAll("\r\n", "\n")
        .trim()
    )
  }
  const text = textOf(/^(licen[cs]e|copying)/i)
  if (text === undefined || license === undefined)
    throw new PackageFailed(`the bundled npm package ${name} has no licence file`)
  const copyright = text.split("\n").filter((line) => /^\s*(copyright\b|\(c\)|©)/i.test(line) && !/\[yyyy\]/.test(line))
  const integrity = lock[folder]?.integrity
  return { name, version, license, text, copyright, folder, integrity, notice: textOf(/^notice(\.|$)/i) }
}

/** Debian's copyright file, machine-readable. */
export const copyrightFile = (packages) => {
  const header = [
    "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/",
    "Upstream-Name: tedge-actors",
    "Comment: The programs are bundles of the source of tedge-actors and of the npm",
    " packages listed below, each under its own licence."
  ]
  const own = ["Files: *", "Copyright: The tedge-actors authors", "License: Apache-2.0"]
  const apache = [
    "License: Apache-2.0",
    " On Debian systems, the full text of the Apache License 2.0 is in",
    " /usr/share/common-licenses/Apache-2.0."
  ]
  const paragraphs = [header, own, ...packages.map(filesParagraph), apache, ...packages.flatMap(licenceParagraph)]
  return `${paragraphs.map((lines) => lines.join("\n")).join("\n\n")}\n`
}

const filesParagraph = (entry) => [
  `Files: ${entry.folder}/*`,
  `Copyright: ${copyrightOf(entry).join("\n           ")}`,
  `License: ${licenceName(entry)}`,
  `Comment: ${entry.name} ${entry.version}, bundled`,
  ...(entry.notice === undefined ? [] : [" .", ...entry.notice.split("\n").map(folded)])
]

const copyrightOf = ({ name, copyright }) =>
  copyright.length > 0 ? copyright.map((line) => line.trim()) : [`The authors of ${name}`]

/** Each text has its own holders in it, so each has a name of its own; Apache's is the same for all. */
const licenceName = ({ name, license }) =>
  license === "Apache-2.0" ? license : `${license}-${name.replaceAll(/[^a-zA-Z0-9.]+/g, "-").replace(/^-/, "")}`

const licenceParagraph = (entry) =>
  entry.license === "Apache-2.0" ? [] : [[`License: ${licenceName(entry)}`, ...entry.text.split("\n").map(folded)]]

const folded = (line) => (line.trim() === "" ? " ." : ` ${line.trimEnd()}`)

/** CycloneDX 1.5, JSON. Nothing in it depends on the machine it was made on. */
export const softwareBill = ({ name, version, license = "Apache-2.0", architecture, epoch, packages, uuid }) =>
  `${JSON.stringify(
    {
      bomFormat: "CycloneDX",
      specVersion: "1.5",
      serialNumber: `urn:uuid:${uuid}`,
      version: 1,
      metadata: {
        timestamp: new Date(epoch * 1000).toISOString(),
        component: {
          type: "application",
          "bom-ref": name,
          name,
          version,
          licenses: [{ license: { id: license } }],
          purl: `pkg:deb/${name}@${version}?arch=${architecture}`
        }
      },
      components: packages.map((entry) => ({
        type: "library",
        "bom-ref": purlOf(entry),
        name: entry.name,
        version: entry.version,
        ...(entry.integrity && { hashes: [hashOf(entry.integrity)] }),
        licenses: [
          / (OR|AND) /.test(entry.license) ? { expression: entry.license } : { license: { id: entry.license } }
        ],
        purl: purlOf(entry)
      })),
      dependencies: [{ ref: name, dependsOn: packages.map(purlOf) }]
    },
    null,
    2
  )}\n`

const purlOf = ({ name, version }) => `pkg:npm/${name.replace("@", "%40")}@${version}`

const hashOf = (integrity) => {
  const [algorithm, content] = integrity.split(/-(.*)/s)
  return { alg: algorithm.replace("sha", "SHA-"), content: Buffer.from(content, "base64").toString("hex") }
}
