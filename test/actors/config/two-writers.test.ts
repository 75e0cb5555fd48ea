/** Processes that write settings at the same time lose none. */
import { execFile } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { build } from "esbuild"
import { afterAll, beforeAll, expect, it } from "vitest"
import { parseToml } from "../../../src/platform/toml/toml-file.ts"

const dir = mkdtempSync(join(tmpdir(), "two-writers-"))
const writer = join(dir, "writer.cjs")

beforeAll(async () => {
  const entryPoints = [join(import.meta.dirname, "writer.ts")]
  await build({ entryPoints, outfile: writer, bundle: true, platform: "node", logLevel: "error" })
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

it("every setting of eight processes is in the file, and what was there before", async () => {
  const before = '# kept\n[config]\nversion = "2"\n[c8y]\n'
  writeFileSync(join(dir, "tedge.toml"), before)
  const names = ["a", "b", "c", "d", "e", "f", "g", "h"]
  const run = promisify(execFile)
  await Promise.all(
    names.map((name) => run(process.execPath, [writer, dir, `c8y.profiles.${name}.url`, `${name}.example`]))
  )
  const text = readFileSync(join(dir, "tedge.toml"), "utf8")
  expect(text.startsWith(before)).toBe(true)
  const profiles = Object.fromEntries(names.map((name) => [name, { url: `${name}.example` }]))
  expect(parseToml(text)).toMatchObject({ kind: "tree", tree: { c8y: { profiles } } })
})
