/** Tokens, files and settings that fail in the middle: one sentence, a next step, nothing half made that is not told. */
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { freshHost } from "../../../actors/cryptoki/host/fresh-host.ts"
import { type InProcess, tedgeInProcess } from "../../../support/device/tedge-in-process.ts"
import { tempDir } from "../../../support/temp-dir.ts"
import { type ScriptedModule, scriptedModule } from "../../../support/token/scripted-module.ts"
import { type SoftHsmDirectory, type SoftHsmToken, softhsmDirectory } from "../../../support/token/softhsm.ts"
import { expectRefusal, expectUsageError } from "./expect-refusal.ts"

let dir: string
let hsm: SoftHsmDirectory
let module: ScriptedModule
let device: InProcess

beforeAll(freshHost)

beforeEach(() => {
  dir = tempDir()
  hsm = softhsmDirectory()
  module = scriptedModule(hsm.modulePath)
  device = tedgeInProcess(dir, { environment: hsm.env })
  device.settings(`[device.cryptoki]\nmode = "module"\nmodule_path = "${module.modulePath}"\npin = "123456"\n`)
})

afterEach(() => {
  module.cleanup()
  hsm.cleanup()
})

const createKey = (...words: ReadonlyArray<string>) => device.tedge(["cert", "create-key-hsm", ...words])
const keysOn = async (...words: ReadonlyArray<string>): Promise<ReadonlyArray<Record<string, string>>> => {
  const done = await device.tedge(["hsm", "list-keys", "--json", ...words])
  expect(done.code, done.stderr).toBe(0)
  return JSON.parse(done.stdout)
}

describe("two keys with one label", () => {
  it("are distinguished by id; the first is used with a warning, and none is deleted by guess", async () => {
    const token = hsm.addToken()
    token.importKey({ label: "same", id: "01" })
    token.importKey({ label: "same", id: "02" })
    expectRefusal(
      await device.tedge(["hsm", "delete-key", "--label", "same", "--force"]),
      "several keys match",
      "id=%01"
    )
    const doctor = await device.tedge(["hsm", "doctor"])
    expect(doctor.stdout).toContain("✗ key is unambiguous: several keys match")
    expect(await keysOn("--label", "same")).toHaveLength(4)
  })
})

describe("a token that fails while a key is made", () => {
  let token: SoftHsmToken
  beforeEach(() => {
    token = hsm.addToken()
  })

  it.each([
    [
      { code: "CKR_DEVICE_REMOVED" },
      "is unavailable: C_GenerateKeyPair returned CKR_DEVICE_REMOVED",
      "plug it in again"
    ],
    [{ code: "CKR_DEVICE_MEMORY" }, "C_GenerateKeyPair returned CKR_DEVICE_MEMORY", "tedge hsm delete-key"],
    [{ code: "CKR_TOKEN_WRITE_PROTECTED" }, "C_GenerateKeyPair returned CKR_TOKEN_WRITE_PROTECTED", "write protected"],
    [{ crash: "segv" }, "create-key was interrupted, and its outcome is unknown", "tedge hsm list-keys"]
  ] as const)("(%j) makes no key and selects none", async (scripted, sentence, hint) => {
    module.set({ C_GenerateKeyPair: scripted })
    expectRefusal(await createKey(), sentence, hint)
    module.reset()
    expect(await keysOn()).toEqual([])
    expect((await device.tedge(["cert", "create", "--device-id", "d"])).stderr).toContain("create-key-hsm")
  })

  it("has made the key when it only ended after it: the key is found by its id, shown and selected", async () => {
    // The session is lost with its host while the key is already on the token.
    module.set({ C_GetAttributeValue: { crash: "exit", times: 1 } })
    const done = await createKey("--label", "survivor")
    expect(done.code, done.stderr).toBe(0)
    expect(module.calls("C_GenerateKeyPair")).toBe(1)
    expect(done.stdout).toContain("Value of `device.key_uri` was updated")
    expect(await keysOn("--label", "survivor")).toHaveLength(2)
    expect((await device.tedge(["cert", "create", "--device-id", "d"])).code).toBe(0)
  })

  it("is read-only for every command that would change it, and says so", async () => {
    token.importKey({ label: "k", id: "01" })
    module.set({
      C_DestroyObject: { code: "CKR_TOKEN_WRITE_PROTECTED" },
      C_SetPIN: { code: "CKR_TOKEN_WRITE_PROTECTED" }
    })
    expectRefusal(
      await device.tedge(["hsm", "change-pin", "--current-pin", "123456", "--new-pin", "9999"]),
      "CKR_TOKEN_WRITE_PROTECTED",
      "write protected"
    )
    const deleted = await device.tedge(["hsm", "delete-key", "--id", "01", "--force"])
    expect([deleted.code, deleted.stderr]).toEqual([1, expect.stringContaining("CKR_TOKEN_WRITE_PROTECTED")])
    module.reset()
    expect(await keysOn()).toHaveLength(2)
  })
})

describe("a key that is made while its file or setting cannot be written", () => {
  beforeEach(() => void hsm.addToken())

  it("is shown and selected although the disk for its public half is full", async () => {
    const done = await createKey("--label", "k", "--outfile-pubkey", "/dev/full")
    expect(done.code).toBe(1)
    expect(done.stdout).toMatch(/^New keypair was successfully created\.\nKey URI: pkcs11:\S+\nPublic key:\n/)
    expect(done.stdout).toContain("Value of `device.key_uri` was updated")
    expect(done.stderr).toContain("'/dev/full' could not be written: ENOSPC")
    expect((await device.tedge(["cert", "create", "--device-id", "d"])).code).toBe(0)
  })

  it.each([
    ["a directory", (path: string) => mkdirSync(path)],
    ["below a file", (path: string) => writeFileSync(path, "")]
  ])("is not made at all when it is known before: %s", async (name, place) => {
    const path = join(dir, "out")
    place(path)
    const outfile = name === "a directory" ? path : join(path, "key.pub")
    expectRefusal(await createKey("--outfile-pubkey", outfile), `'${outfile}' could not be written`)
    expect(await keysOn()).toEqual([])
  })

  it("is not made when its setting cannot be written", async () => {
    mkdirSync(join(device.configDir, ".tedge.toml.tmp", "in-the-way"), { recursive: true })
    expectRefusal(await createKey("--label", "k"), "tedge.toml' could not be written")
    expect(await keysOn()).toEqual([])
  })
})

describe("no token, or a wrong module", () => {
  it.each([
    ["/no/such/module.so", "there is no such file"],
    ["/etc/passwd", "it is not a PKCS#11 module"],
    ["/usr/lib", "Failed to load PKCS#11 dynamic object"]
  ])("%s is told with the setting that names it", async (path, sentence) => {
    device.settings(`[device.cryptoki]\nmode = "module"\nmodule_path = "${path}"\n`)
    for (const words of [
      ["hsm", "list-tokens"],
      ["hsm", "init"],
      ["cert", "create", "--device-id", "d"]
    ])
      expectRefusal(await device.tedge(words), sentence, "device.cryptoki.module_path")
  })

  it.each(["pkcs11:token=a;token=b", "token=a", "pkcs11:type=public;token=%zz", "pkcs11:slot-id=x"])(
    "the URI '%s' is refused before the module is loaded",
    async (uri) => {
      device.settings(`[device.cryptoki]\nmode = "module"\nmodule_path = "${module.modulePath}"\n`)
      for (const words of [
        ["hsm", "list-keys", uri],
        ["hsm", "init", uri],
        ["cert", "create-key-hsm", uri]
      ])
        expectUsageError(await device.tedge(words), uri.replace("pkcs11:", "").slice(0, 5))
    }
  )
})
