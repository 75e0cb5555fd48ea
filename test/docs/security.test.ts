/** docs/security.md names a test for each promise; they are there. */
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { expect, it } from "vitest"

const root = join(import.meta.dirname, "../..")

it("every promise of docs/security.md has a test that exists", () => {
  const page = readFileSync(join(root, "docs/security.md"), "utf8")
  const promises = page.split("## Guarantees, and what they depend on")[1]?.split("\n## ")[0] ?? ""
  const rows = promises.split("\n").filter((line) => line.startsWith("| ") && !line.startsWith("| promise"))
  expect(rows.length).toBeGreaterThan(10)
  for (const row of rows) {
    const tests = [...row.matchAll(/`(test\/[^`]+)`/g)].map(([, path = ""]) => path)
    expect(tests.length).toBeGreaterThan(0)
    expect(tests.filter((path) => !existsSync(join(root, path)))).toEqual([])
  }
})
