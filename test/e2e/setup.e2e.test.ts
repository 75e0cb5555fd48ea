/** The set-up on a machine without the Debian packages: apt-get when root, else the command to run. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { run } from "../../scripts/lib/run.mjs"
import { root } from "../docs/commands.ts"
import { tempDir } from "../support/temp-dir.ts"

const setup = join(root, "scripts/setup.mjs")

/** A PATH with nothing but an apt-get that writes down what it is asked for. */
const bareMachine = () => {
  const dir = tempDir()
  const bin = join(dir, "bin")
  const asked = join(dir, "asked")
  mkdirSync(bin)
  writeFileSync(join(bin, "apt-get"), `#!/bin/sh\necho "$@" >> ${asked}\n`, { mode: 0o755 })
  return { env: { ...process.env, PATH: bin }, asked }
}

/** Runs the set-up of the demo as a user with this id, as far as it can tell. */
const setupAs = (uid: number, env: NodeJS.ProcessEnv) => {
  const pretend = `data:text/javascript,process.getuid = () => ${uid}`
  return run(process.execPath, ["--import", pretend, setup, "demo"], { env })
}

describe("setup", () => {
  it("asks an ordinary user to run one command", async () => {
    const { code, stderr } = await setupAs(1000, bareMachine().env)
    expect(code).toBe(1)
    expect(stderr).toMatch(/sudo sh -c 'apt-get update && apt-get install -y --no-install-recommends .*softhsm2 .*'/)
  })

  it("installs as root what the demo lacks, and says what is missing still", async () => {
    const { env, asked } = bareMachine()
    const { code, stderr } = await setupAs(0, env)
    expect(readFileSync(asked, "utf8")).toMatch(/^update -q\ninstall -y -q --no-install-recommends .*softhsm2/)
    expect(readFileSync(asked, "utf8")).not.toContain("swtpm")
    expect([code, stderr.includes("still missing after apt-get: ")]).toEqual([1, true])
  })
})
