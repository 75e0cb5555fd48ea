/** What CONTRIBUTING.md says to run is there: scripts, files and the test that is named. */
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { root } from "./commands.ts"

const page = readFileSync(join(root, "CONTRIBUTING.md"), "utf8")
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))

const matches = (pattern: RegExp): ReadonlyArray<string> => [...page.matchAll(pattern)].map(([, found = ""]) => found)

describe("CONTRIBUTING.md", () => {
  it("names scripts of package.json only", () => {
    const scripts = matches(/npm run ([\w:-]+)/g)
    expect(scripts.length).toBeGreaterThan(5)
    expect(scripts.filter((name) => !(name in manifest.scripts))).toEqual([])
  })

  it("names files that are there", () => {
    const files = matches(/\b((?:test|src|scripts|docs)\/[\w./-]+\.\w+)\b/g)
    expect(files.length).toBeGreaterThan(5)
    expect(files.filter((path) => !existsSync(join(root, path)))).toEqual([])
  })

  it("runs one test by a name that exists", () => {
    const [, file = "", name] = /unit -- (\S+) -t "([^"]+)"/.exec(page) ?? []
    expect(readFileSync(join(root, file), "utf8")).toContain(`it("${name}"`)
  })

  it("names parts of npm test", () => {
    const parts = /npm test -- ([a-z ]+)`/.exec(page)?.[1]?.split(" ") ?? []
    const script = readFileSync(join(root, "scripts/check.mjs"), "utf8")
    expect(parts.filter((part) => !new RegExp(`^  ${part}: \\{`, "m").test(script))).toEqual([])
    expect(parts).toHaveLength(3)
  })
})

describe("package.json", () => {
  it("says what a registry shows, and names no person, address or repository", () => {
    expect(manifest).toMatchObject({ license: "Apache-2.0", author: "The tedge-actors authors" })
    expect(manifest.keywords.length).toBeGreaterThan(4)
    for (const field of ["repository", "homepage", "bugs", "contributors"]) expect(manifest[field]).toBeUndefined()
  })
})
