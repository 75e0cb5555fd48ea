/** Manual pages and completions of the packages, from the same tables as `--help`. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"

const entry = `
export { manPages } from "./src/cli/command-line/man-pages.ts"
export { shellScript, shellScripts } from "./src/cli/commands/completions/shell-scripts.ts"
export { installedProgram } from "./src/cli/compose/installed-program.ts"
export { besideThinEdge } from "./src/messages/installation/installation.ts"
export { tedgeProgram } from "./src/cli/commands/tedge-spec.ts"
export { mapperProgram } from "./src/cli/services/mapper/mapper-spec.ts"
export { p11ServerProgram } from "./src/cli/services/p11-server/p11-server-spec.ts"
`

/** `{ manPages(manual, date), completions(command) }`, for `manuals` and `completions` of a product. */
export const loadTexts = async (root, version) => {
  const { build } = await import("esbuild")
  const folder = mkdtempSync(join(tmpdir(), "tedge-texts-"))
  const file = join(folder, "texts.mjs")
  try {
    await build({
      absWorkingDir: root,
      stdin: { contents: entry, resolveDir: root, loader: "ts" },
      outfile: file,
      bundle: true,
      platform: "node",
      format: "esm",
      logLevel: "error",
      define: { __VERSION__: JSON.stringify(version) }
    })
    return textsFrom(await import(pathToFileURL(file)))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const textsFrom = (texts) => {
  const { manPages, shellScript, shellScripts, installedProgram, besideThinEdge } = texts
  const programs = {
    tedge: texts.tedgeProgram,
    "tedge-mapper": texts.mapperProgram,
    "tedge-p11-server": texts.p11ServerProgram
  }
  return {
    manPages: ({ program, as = program, section, seeAlso }, date) => {
      const called = as === program ? programs[program] : installedProgram(programs[program], besideThinEdge)
      return manPages(called, { section, seeAlso, date })
    },
    completions: (command) =>
      Object.fromEntries(Object.keys(shellScripts).map((shell) => [shell, shellScript(shell, command)]))
  }
}
