/** What is refused before a token is touched or a PIN is tried, and files that must not be lost. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
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
let token: SoftHsmToken
let module: ScriptedModule
let device: InProcess

beforeAll(freshHost)

beforeEach(() => {
  dir = tempDir()
  hsm = softhsmDirectory()
  token = hsm.addToken({ label: "my-token" })
  module = scriptedModule(hsm.modulePath)
  device = tedgeInProcess(dir, { environment: hsm.env })
  device.settings(`[device.cryptoki]\nmode = "module"\nmodule_path = "${module.modulePath}"\npin = "123456"\n`)
})

afterEach(() => {
  module.cleanup()
  hsm.cleanup()
})

const settings = () => readFileSync(join(device.configDir, "tedge.toml"), "utf8")
const uri = () => `pkcs11:serial=${token.serial}`

describe("--profile without a cloud", () => {
  it.each([
    [["cert", "create-key-hsm"]],
    [["hsm", "create-key"]],
    [["hsm", "doctor"]],
    [["cert", "create", "--device-id", "d"]],
    [["cert", "create-csr", "--device-id", "d"]],
    [["cert", "remove"]],
    [["cert", "renew"]]
  ])("is a slip that %j does not pass over", async (words) => {
    const before = settings()
    const done = await device.tedge([...words, "--profile", "prod"])
    expect([done.code, done.stdout]).toEqual([2, ""])
    expect(done.stderr).toMatch(/^error: the argument '--profile <PROFILE>' needs a cloud beside it: c8y, az or aws\n/)
    expect([settings(), module.processes(), existsSync(device.certPath)]).toEqual([before, [], false])
  })

  it("from the environment is for commands that name a cloud, and no slip", async () => {
    device = tedgeInProcess(dir, { environment: { ...hsm.env, TEDGE_CLOUD_PROFILE: "prod" } })
    device.settings(`[device.cryptoki]\nmode = "module"\nmodule_path = "${module.modulePath}"\npin = "123456"\n`)
    const done = await device.tedge(["cert", "create-key-hsm"])
    expect([done.code, done.stdout], done.stderr).toEqual([0, expect.stringContaining("Value of `device.key_uri` was")])
  })
})

describe("an empty value", () => {
  it.each([
    [["cert", "create-key-hsm", "--pin", ""], "the user PIN must not be empty; nothing was changed"],
    [["hsm", "list-keys", "--pin", ""], "the user PIN must not be empty"],
    [["hsm", "delete-key", "--label", "k", "--pin", "", "--force"], "the user PIN must not be empty"],
    [["hsm", "change-pin", "--current-pin", "", "--new-pin", "9999"], "the user PIN must not be empty"],
    [["hsm", "change-pin", "--current-pin", "123456", "--new-pin", ""], "the user PIN must not be empty"],
    [["hsm", "change-pin", "--reset", "--so-pin", "", "--new-pin", "9999"], "the SO PIN must not be empty"],
    [["hsm", "init", "--label", "x", "--so-pin", "", "--pin", "123456"], "the SO PIN must not be empty"],
    [["hsm", "init", "--label", "x", "--so-pin", "87654321", "--pin", ""], "the user PIN must not be empty"]
  ])("is refused before a PIN is tried or a token changed: %j", async (words, sentence) => {
    expectRefusal(await device.tedge(words), sentence)
    expectUntouched()
  })

  it.each([
    [["cert", "create-key-hsm", "--id", ""]],
    [["hsm", "list-keys", "--id", ""]],
    [["hsm", "delete-key", "--id", "", "--label", "k", "--force"]]
  ])("is an id that means nothing: %j", async (words) => {
    expectUsageError(await device.tedge(words), "ID must not be empty")
    expectUntouched()
  })

  const expectUntouched = () => {
    for (const call of ["C_Login", "C_InitToken", "C_SetPIN", "C_GenerateKeyPair"] as const)
      expect(module.calls(call), call).toBe(0)
  }

  it("typed at the question is refused as well", async () => {
    expectRefusal(await device.tedge(["hsm", "change-pin"], "\n"), "the user PIN must not be empty")
    expect(module.calls("C_Login")).toBe(0)
  })
})

describe("several keys that match", () => {
  it("are each named once", async () => {
    token.importKey({ label: "same", id: "01" })
    token.importKey({ label: "same", id: "02" })
    const { stderr } = await device.tedge(["hsm", "delete-key", uri(), "--label", "same", "--force"])
    expect(stderr.match(/pkcs11:/g)).toHaveLength(2)
    expect(stderr).toMatch(/id=%01;.*id=%02;/)
  })
})

describe("the file for the public key", () => {
  const create = (path: string) => device.tedge(["cert", "create-key-hsm", uri(), "--outfile-pubkey", path])

  it.each([
    ["certificate", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", "A certificate already exists"],
    ["private key", "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n", "A private key already exists"]
  ])("is never a %s that is there, and no key is made", async (_what, content, sentence) => {
    const path = join(dir, "precious.pem")
    writeFileSync(path, content)
    expectRefusal(await create(path), sentence)
    expect([readFileSync(path, "utf8"), module.calls("C_GenerateKeyPair")]).toEqual([content, 0])
  })

  it("keeps what is in it when the new key cannot be written", async () => {
    const path = join(dir, "key.pub")
    writeFileSync(path, "older")
    // Beside the file stands what the new content would be written to.
    mkdirSync(join(dir, ".key.pub.tmp", "in-the-way"), { recursive: true })
    const done = await create(path)
    expect([done.code, readFileSync(path, "utf8")]).toEqual([1, "older"])
    expect(done.stdout).toContain("Value of `device.key_uri` was updated")
    expect(done.stderr).toContain(`'${path}' could not be written`)
  })

  it("is replaced as a whole when there is one", async () => {
    const path = join(dir, "key.pub")
    writeFileSync(path, "older and longer than any public key\n".repeat(100))
    const done = await create(path)
    expect([done.code, done.stdout], done.stderr).toEqual([0, expect.stringContaining(readFileSync(path, "utf8"))])
  })
})
