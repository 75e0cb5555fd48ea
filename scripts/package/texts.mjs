/** Manual pages and completions of the packages, from the same tables as `--help`. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"

const entry = `
export { manPages } from "./src/cli/command-line/man-pages.ts"
export { shellScripts } from "./src/cli/commands/completions/shell-scripts.ts"
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

const textsFrom = ({ manPages, shellScripts, tedgeProgram, mapperProgram, p11ServerProgram }) => {
  const programs = { tedge: tedgeProgram, "tedge-mapper": mapperProgram, "tedge-p11-server": p11ServerProgram }
  return {
    manPages: ({ program, as = program, section, seeAlso }, date) =>
      manPages(renamed(programs[program], as), { section, seeAlso, date }),
    completions: (command) =>
      Object.fromEntries(Object.entries(shellScripts).map(([shell, text]) => [shell, withName(text, "tedge", command)]))
  }
}

/** The program as it is called in a package that gives it another name. */
const renamed = (program, name) => ({
  ...program,
  root: { ...renamedExamples(program.root, program.root.name, name), name }
})

const renamedExamples = (command, from, to) => ({
  ...command,
  ...(command.examples && {
    examples: command.examples.map((example) => ({ ...example, command: withName(example.command, from, to) }))
  }),
  ...(command.commands && { commands: command.commands.map((sub) => renamedExamples(sub, from, to)) })
})

const withName = (text, from, to) => text.replaceAll(new RegExp(`\\b${from}\\b(?!-)`, "g"), to)
