/** What src/runtime/README.md shows and claims: its example is the file beside this one. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { bank } from "./example.ts"

const read = (file: string) => readFileSync(join(import.meta.dirname, file), "utf8")

describe("the example of the README", () => {
  it("does what it says", async () => {
    expect(await Effect.runPromise(Effect.scoped(bank))).toEqual([70, "TooLittle"])
  })

  it("is printed as it runs", () => {
    const example = read("example.ts").replace("../../src/runtime/actors.ts", "tedge-actors")
    expect(read("../../src/runtime/README.md")).toContain(example)
  })
})

describe("the promises of the README", () => {
  it("each name a test that exists", () => {
    const rows = [...read("../../src/runtime/README.md").matchAll(/^\| .+ \| (\S+\.test\.ts) +\| (.+?) +\|$/gm)]
    const missing = rows.filter(([, file = "", name = ""]) => !read(file).includes(`it("${name}"`))
    expect(missing.map(([row]) => row)).toEqual([])
    expect(rows.length).toBeGreaterThan(30)
  })
})
