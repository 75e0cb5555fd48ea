/** Answers written synchronously: complete, to a slow reader as well. */
import { spawn, spawnSync } from "node:child_process"
import { join } from "node:path"
import { build } from "esbuild"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { makeTempDir, removeTempDir } from "../../support/temp-dir.ts"

let dir: string
let program: string

beforeAll(async () => {
  dir = makeTempDir()
  program = join(dir, "write.cjs")
  const call = 'writeNow("stdout", "x".repeat(Number(process.argv[2])) + "\\n")'
  const contents = `import { writeNow } from "./src/platform/files/write-now.ts"; ${call}`
  await build({
    stdin: { contents, resolveDir: join(import.meta.dirname, "../../.."), loader: "ts" },
    outfile: program,
    bundle: true,
    platform: "node"
  })
})

afterAll(() => removeTempDir(dir))

describe("an answer", () => {
  it("is written as a whole", () => {
    const { stdout, stderr } = spawnSync(process.execPath, [program, "10"], { encoding: "utf8" })
    expect([stdout, stderr]).toEqual([`${"x".repeat(10)}\n`, ""])
  })

  it("that is larger than a pipe waits for a reader that comes late", async () => {
    const size = 1_000_000
    const child = spawn(process.execPath, [program, String(size)], { stdio: ["ignore", "pipe", "inherit"] })
    await new Promise((resolve) => child.stdout.once("readable", resolve))
    let heard = 0
    for await (const piece of child.stdout) heard += (piece as Buffer).length
    expect(heard).toBe(size + 1)
  })

  it("that cannot be written is one error", () => {
    const { stderr, status } = spawnSync("sh", ["-c", `"${process.execPath}" "${program}" 10 > /dev/full`], {
      encoding: "utf8"
    })
    expect([stderr, status]).toEqual(["error: the answer could not be written to the standard output: ENOSPC\n", 1])
  })

  it("to a reader that has gone is no error", () => {
    const line = `"${process.execPath}" "${program}" 1000000 | true; echo "\${PIPESTATUS[0]}"`
    const { stdout, stderr } = spawnSync("bash", ["-c", line], { encoding: "utf8" })
    expect([stdout, stderr]).toEqual(["0\n", ""])
  })
})
