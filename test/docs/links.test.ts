/** Links between the documents lead somewhere: the file is there, and so is the heading. */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { dirname, join, relative, resolve } from "node:path"
import { describe, expect, it } from "vitest"
import { root } from "./commands.ts"

const pages = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"]
  .concat(markdownBelow("docs"), markdownBelow("src"), markdownBelow("packaging"))
  .filter((page) => existsSync(join(root, page)))

function markdownBelow(folder: string): ReadonlyArray<string> {
  return readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .map((name) => join(folder, name))
}

const textOf = (page: string): string => readFileSync(join(root, page), "utf8").replaceAll(/^```.*?^```$/gms, "")

/** As GitHub and VitePress make them of headings: lower case, without punctuation, with dashes. */
const anchorsOf = (page: string): ReadonlyArray<string> =>
  [...textOf(page).matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
      .trim()
      .replaceAll(/\s/g, "-")
  )

const linksOf = (page: string): ReadonlyArray<string> =>
  [...textOf(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = ""]) => target)

const problemOf = (page: string, link: string): string | undefined => {
  if (/^(https?|mailto):/.test(link)) return undefined
  const [path = "", anchor] = link.split("#")
  const target = path === "" ? page : relative(root, resolve(root, dirname(page), path))
  if (!existsSync(join(root, target))) return `${link}: no such file`
  if (anchor !== undefined && !anchorsOf(target).includes(anchor)) return `${link}: no such heading`
  return undefined
}

describe("the documents' links", () => {
  it.each(pages)("%s: each leads to a file and heading that exist", (page) => {
    expect(linksOf(page).flatMap((link) => problemOf(page, link) ?? [])).toEqual([])
  })

  it("lead from docs/README.md to every page of docs", () => {
    const linked = linksOf("docs/README.md").map((link) => join("docs", link.split("#")[0] ?? ""))
    const all = readdirSync(join(root, "docs"), { encoding: "utf8" }).filter((name) => name.endsWith(".md"))
    expect(all.filter((name) => name !== "README.md" && !linked.includes(join("docs", name)))).toEqual([])
  })

  it("are found to be broken where they are", () => {
    expect(problemOf("docs/README.md", "no-such-page.md")).toContain("no such file")
    expect(problemOf("docs/README.md", "commands.md#no-such-heading")).toContain("no such heading")
  })
})
