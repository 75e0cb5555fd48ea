/** The commands printed in the documents: every ```sh block of README.md, src/runtime/README.md and docs/. */
import { readdirSync, readFileSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import { fileURLToPath } from "node:url"

export const root = join(dirname(fileURLToPath(import.meta.url)), "../..")

export interface CommandBlock {
  /** `README.md:32`: file and line of the block's first command. */
  readonly where: string
  readonly document: string
  readonly commands: string
}

export const commandBlocks = (): ReadonlyArray<CommandBlock> => documents().flatMap(blocksOf)

const documents = (): ReadonlyArray<string> => [
  join(root, "README.md"),
  join(root, "src/runtime/README.md"),
  ...readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .map((name) => join(root, "docs", name))
]

const blocksOf = (path: string): ReadonlyArray<CommandBlock> => {
  const text = readFileSync(path, "utf8")
  const document = relative(root, path)
  return [...text.matchAll(/^```sh\n(.*?)^```$/gms)].map((match) => ({
    where: `${document}:${text.slice(0, match.index).split("\n").length + 1}`,
    document,
    commands: match[1] ?? ""
  }))
}
