/** Files of this repository that the documents name are there. */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { expect, it } from "vitest"
import { root } from "./commands.ts"

const pages = ["README.md", "CONTRIBUTING.md", "SECURITY.md"].concat(
  ["docs", "src"].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
      // The settings' examples are topics and the like.
      .filter((name) => name.endsWith(".md") && name !== "settings.md")
      .map((name) => join(folder, name))
  )
)

const pathsIn = (page: string): ReadonlyArray<string> => [
  ...new Set(
    [
      ...readFileSync(join(root, page), "utf8").matchAll(
        /(?<![\w./<-])(?:src|test|native|packaging|scripts)\/[\w./-]*\w/g
      )
    ].map(([path]) => path)
  )
]

it.each(pages)("%s names files and folders that exist", (page) => {
  expect(pathsIn(page).filter((path) => !existsSync(join(root, path)))).toEqual([])
})

it("docs/architecture.md names the files of a signature and of a message", () => {
  expect(pathsIn("docs/architecture.md").length).toBeGreaterThan(30)
})
