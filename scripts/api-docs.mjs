/**
 * `node scripts/api-docs.mjs`: the API reference, docs/api/*.md, made from the types of the package's entries.
 *
 * `--check` writes nothing, and ends with 1 when a page is not what the types say.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { Extractor, ExtractorConfig } from "@microsoft/api-extractor"
import { apiPage } from "./lib/build/api-page.mjs"

const root = join(dirname(fileURLToPath(import.meta.url)), "..")

const pages = {
  tls: { types: "tls/tls.d.ts", title: "tedge-actors/tls" },
  runtime: { types: "runtime/actors.d.ts", title: "tedge-actors" },
  testing: { types: "testing/testing.d.ts", title: "tedge-actors/testing" }
}

/** The model of an entry, as api-extractor writes it. */
const modelOf = (name, types) => {
  const folder = join(root, "build/api")
  mkdirSync(folder, { recursive: true })
  const modelFile = join(folder, `${name}.api.json`)
  const config = ExtractorConfig.prepare({
    configObjectFullPath: join(root, "api-extractor.json"),
    packageJsonFullPath: join(root, "package.json"),
    configObject: {
      projectFolder: root,
      mainEntryPointFilePath: join(root, "build/types", types),
      compiler: {
        overrideTsconfig: {
          compilerOptions: {
            target: "es2023",
            lib: ["es2023"],
            module: "nodenext",
            moduleResolution: "nodenext",
            types: ["node"],
            strict: true,
            skipLibCheck: true,
            allowImportingTsExtensions: true,
            noEmit: true
          },
          include: [join(root, "build/types", types)]
        }
      },
      apiReport: { enabled: false },
      docModel: { enabled: true, apiJsonFilePath: modelFile },
      dtsRollup: { enabled: false },
      tsdocMetadata: { enabled: false },
      messages: {
        compilerMessageReporting: { default: { logLevel: "none" } },
        extractorMessageReporting: { default: { logLevel: "none" } },
        tsdocMessageReporting: { default: { logLevel: "none" } }
      }
    }
  })
  Extractor.invoke(config, {
    localBuild: true,
    messageCallback: (message) => Object.assign(message, { handled: true })
  })
  return JSON.parse(readFileSync(modelFile, "utf8"))
}

const isCheck = process.argv.includes("--check")
const folder = join(root, "docs/api")
for (const [name, { types, title }] of Object.entries(pages)) {
  const file = join(folder, `${name}.md`)
  const text = apiPage(modelOf(name, types), title)
  if (!isCheck) {
    mkdirSync(folder, { recursive: true })
    writeFileSync(file, text)
  } else if (readFileSync(file, "utf8") !== text) {
    console.error(
      `error: docs/api/${name}.md is not what the types say\nhint: npm run build && node scripts/api-docs.mjs`
    )
    process.exitCode = 1
  }
}
rmSync(join(root, "build/api"), { recursive: true, force: true })
