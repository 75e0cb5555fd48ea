/** The scripted module itself, driven by pkcs11-tool and p11tool: it must fail as told, and only then. */
import { spawnSync } from "node:child_process"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { type ScriptedModule, scriptedModule } from "./scripted-module.ts"
import { type SoftHsmDirectory, type SoftHsmToken, softhsmToken } from "./softhsm.ts"

let token: SoftHsmDirectory & SoftHsmToken
let scripted: ScriptedModule

beforeAll(() => {
  token = softhsmToken({ label: "my token" })
  token.importKey({ id: "01" })
  scripted = scriptedModule(token.modulePath)
  writeFileSync(join(token.dir, "message"), Buffer.alloc(32, 7))
})
afterEach(() => scripted.reset())
afterAll(() => {
  scripted.cleanup()
  token.cleanup()
})

const pkcs11Tool = (args: ReadonlyArray<string>, withinMs = 60_000) => {
  const run = spawnSync("pkcs11-tool", ["--module", scripted.modulePath, ...args], {
    env: { ...process.env, ...token.env },
    encoding: "utf8",
    timeout: withinMs
  })
  return { ...run, all: run.stdout + run.stderr }
}
const sign = (withinMs?: number) => {
  const key = ["--token-label", "my token", "--login", "--pin", token.pin, "--id", "01"]
  const files = ["--input-file", join(token.dir, "message"), "--output-file", join(token.dir, "signature")]
  return pkcs11Tool([...key, "--sign", "--mechanism", "ECDSA", ...files], withinMs)
}

describe("the scripted module", () => {
  it("is the real module as long as nothing is scripted", () => {
    expect(sign().status).toBe(0)
  })

  it("counts calls", () => {
    const [logins, signs] = [scripted.calls("C_Login"), scripted.calls("C_Sign")]
    sign()
    expect(scripted.calls("C_Login")).toBe(logins + 1)
    expect(scripted.calls("C_Sign")).toBeGreaterThan(signs)
  })

  it("returns a code as often as configured, over several processes", () => {
    scripted.set({ C_SignInit: { code: "CKR_DEVICE_ERROR", skip: 1, times: 2 } })
    const outcomes = [sign(), sign(), sign(), sign()].map((run) => run.status === 0)
    expect(outcomes).toEqual([true, false, false, true])
    scripted.set({ C_Login: { code: "CKR_PIN_LOCKED" } })
    expect(sign().all).toContain("CKR_PIN_LOCKED")
  })

  it.each([
    ["segv", "SIGSEGV"],
    ["abort", "SIGABRT"]
  ] as const)("crashes by %s", (crash, signal) => {
    scripted.set({ C_Sign: { crash } })
    expect(sign().signal).toBe(signal)
  })

  it("ends the process and prints", () => {
    scripted.set({ C_Sign: { crash: "exit", stdout: "out 100%\n", stderr: "err=1\n" } })
    const run = sign()
    expect([run.status, run.stdout, run.stderr]).toEqual([
      3,
      expect.stringContaining("out 100%\n"),
      expect.stringContaining("err=1\n")
    ])
  })

  it("hangs until it is killed", () => {
    scripted.set({ C_Sign: { hang: true } })
    const signed = scripted.calls("C_Sign")
    expect(sign(3_000).error).toMatchObject({ code: "ETIMEDOUT" })
    expect(scripted.calls("C_Sign")).toBe(signed + 1)
  })

  it("delays", () => {
    scripted.set({ C_Sign: { delayMs: 150 } })
    const started = performance.now()
    expect(sign().status).toBe(0)
    expect(performance.now() - started).toBeGreaterThan(150)
  })

  it("shows a token with other flags and another serial", () => {
    const loginRequired = 0x4
    scripted.setToken("my token", { clearFlags: loginRequired, setFlags: 0x40000, serial: "evil" })
    const listed = pkcs11Tool(["--list-token-slots"]).all
    expect(listed).not.toContain("login required")
    expect(listed).toContain("user PIN locked")
    expect(listed).toMatch(/serial num\s*: evil\s/)
  })

  it("hides a token and brings it back in another slot", () => {
    scripted.unplug("my token")
    expect(pkcs11Tool(["--list-token-slots"]).all).not.toContain("my token")
    scripted.plug("my token", 77)
    expect(pkcs11Tool(["--list-token-slots"]).all).toMatch(/\(0x4d\).*\n\s*token label\s*: my token/)
    expect(sign().status).toBe(0)
  })
})
