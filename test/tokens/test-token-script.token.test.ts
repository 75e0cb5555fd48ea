/** `npm run test:token`: the column of a user's token, and nothing left on it. */
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { run } from "../../scripts/lib/run.mjs"
import { pkcs11Tool } from "../support/token/pkcs11-tool.ts"
import { type ScriptedModule, scriptedModule } from "../support/token/scripted-module.ts"
import { type SoftHsmDirectory, softhsmDirectory } from "../support/token/softhsm.ts"

const script = join(import.meta.dirname, "../../scripts/test-token.mjs")
let hsm: SoftHsmDirectory
let module: ScriptedModule

beforeEach(() => {
  hsm = softhsmDirectory()
  hsm.addToken().importKey({ label: "mine" })
  module = scriptedModule(hsm.modulePath)
})
afterEach(() => {
  module.cleanup()
  hsm.cleanup()
})

const test = (pin: string, token = "my-token") =>
  run(process.execPath, [script, "--module", module.modulePath, "--token", token], {
    env: { ...process.env, ...hsm.env },
    input: `${pin}\n`,
    timeoutMs: 170_000
  })

const labels = () =>
  pkcs11Tool(
    { modulePath: hsm.modulePath, env: hsm.env, where: ["--token-label", "my-token"] },
    "--login",
    "--pin",
    "123456",
    "--list-objects"
  )
    .toString()
    .match(/label:\s+\S+/g)

describe("npm run test:token", () => {
  it("prints what the token can do, and takes its keys away again", async () => {
    module.set({ C_GenerateKeyPair: { code: "CKR_MECHANISM_INVALID", skip: 1 } })
    const done = await test("123456")
    expect(done.code, done.stderr).toBe(0)
    expect(done.stdout).toContain("| tedge hsm create-key --type ecdsa --curve p256 | ✓ |")
    expect(done.stdout).toContain("| TLS signature ecdsa_secp256r1_sha256, ecdsa --curve p256 | ✓ |")
    expect(done.stdout).toContain("| tedge hsm create-key --type rsa --bits 4096 | – (1) |")
    expect(done.stdout).toContain("C_GenerateKeyPair returned CKR_MECHANISM_INVALID")
    expect(new Set(labels())).toEqual(new Set(["label:      mine"]))
  })

  it("stops at a refused PIN after one try, and tries none where one was wrong before", async () => {
    const refused = await test("999999")
    expect([refused.code, refused.stdout]).toEqual([1, ""])
    expect(refused.stderr).toContain("The specified PIN is incorrect")
    expect(module.calls("C_Login")).toBe(1)
    module.setToken("my-token", { setFlags: 0x10000 })
    const leftAlone = await test("123456")
    expect([leftAlone.code, leftAlone.stderr]).toEqual([1, expect.stringContaining("'countLow': it is left alone")])
    expect(module.calls("C_Login")).toBe(1)
  })

  it("names the tokens that are there when the one that was given is not", async () => {
    const unknown = await test("123456", "other")
    expect([unknown.code, unknown.stderr]).toEqual([1, expect.stringMatching(/hint: give one of: 'pkcs11:.*my-token/)])
  })
})
