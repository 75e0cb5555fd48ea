/** docs/tokens.md: its commands for the TPM and for remoting are run as they stand there, and what it cites is there. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { run } from "../../scripts/lib/run.mjs"
import { executable } from "../support/device/device.ts"
import { makeTempDir, removeTempDir } from "../support/temp-dir.ts"
import { softhsmDirectory } from "../support/token/softhsm.ts"
import { emptyTpm } from "../support/token/tpm.ts"
import { declared, printTable } from "./table.ts"

const root = join(import.meta.dirname, "../..")
const page = readFileSync(join(root, "docs/tokens.md"), "utf8")

/** The `shell` block of a chapter; `sh` blocks are run with those of the other pages, `text` ones are not run. */
const commandsOf = (chapter: string): string => {
  const text = page.split(/^## /m).find((part) => part.startsWith(`${chapter}\n`)) ?? ""
  const commands = /^```shell\n(.*?)^```$/ms.exec(text)?.[1]
  if (commands === undefined) throw new Error(`no commands in the chapter '${chapter}'`)
  return commands.replaceAll("x86_64", process.arch === "arm64" ? "aarch64" : "x86_64")
}

let dir: string
beforeAll(() => {
  dir = makeTempDir()
})
afterAll(() => removeTempDir(dir))

/** On a device without settings, in its own folder. */
const runOn = (name: string, commands: string, tokenEnv: Readonly<Record<string, string>>) => {
  const home = join(dir, name)
  const configDir = join(home, "config")
  mkdirSync(configDir, { recursive: true })
  mkdirSync(join(home, "run"))
  writeFileSync(join(configDir, "tedge.toml"), `run.path = "${join(home, "run")}"\n[config]\nversion = "2"\n`)
  const PATH = `${join(executable("tedge"), "..")}:${process.env.PATH}`
  const env = { ...process.env, ...tokenEnv, PATH, TEDGE_CONFIG_DIR: configDir, XDG_RUNTIME_DIR: home }
  return run("bash", ["-euc", commands], { env, timeoutMs: 150_000 })
}

describe("docs/tokens.md", () => {
  it("has commands for a TPM that end with a key in it", async () => {
    const tpm = await emptyTpm()
    try {
      const done = await runOn("tpm", commandsOf("TPM 2.0"), tpm.env)
      expect(done.code, done.stderr).toBe(0)
      expect(done.stdout).toMatch(/token=my-tpm;.*object=my-key\n/)
    } finally {
      await tpm.cleanup()
    }
  })

  it("has commands for remoting that end with a key behind the server", async () => {
    const softhsm = softhsmDirectory()
    try {
      const done = await runOn("remoting", commandsOf("p11-kit remoting"), softhsm.env)
      expect(done.code, done.stderr).toBe(0)
      expect(done.stdout).toMatch(/token=my-token;.*object=my-key\n/)
    } finally {
      softhsm.cleanup()
    }
  })

  it("has the table as it is declared, and as the test run finds it", () => {
    expect(page).toContain(printTable(declared))
  })

  it("cites tests that are there", () => {
    const cited = [...page.matchAll(/`(test\/[^`]+)`(?::\s+"([^"]+)")?/g)]
    expect(cited.length).toBeGreaterThan(5)
    for (const [, file = "", name = ""] of cited) {
      expect(existsSync(join(root, file)), file).toBe(true)
      expect(readFileSync(join(root, file), "utf8")).toContain(name)
    }
  })
})
