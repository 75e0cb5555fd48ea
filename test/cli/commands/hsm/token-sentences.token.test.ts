/** Each token's own case has its own sentence: what happened, and a next step that works on this token. */
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { freshHost } from "../../../actors/cryptoki/host/fresh-host.ts"
import { type InProcess, tedgeInProcess } from "../../../support/device/tedge-in-process.ts"
import { tempDir } from "../../../support/temp-dir.ts"
import { type ScriptedModule, scriptedModule } from "../../../support/token/scripted-module.ts"
import { type SoftHsmDirectory, softhsmDirectory } from "../../../support/token/softhsm.ts"
import { expectRefusal } from "./expect-refusal.ts"

let hsm: SoftHsmDirectory
let module: ScriptedModule
let device: InProcess

beforeAll(freshHost)

beforeEach(() => {
  hsm = softhsmDirectory()
  module = scriptedModule(hsm.modulePath)
  device = tedgeInProcess(tempDir(), { environment: hsm.env })
  device.settings(`[device.cryptoki]\nmode = "module"\nmodule_path = "${module.modulePath}"\npin = "123456"\n`)
})

afterEach(() => {
  module.cleanup()
  hsm.cleanup()
})

const piv = { manufacturer: "piv_II", model: "PKCS#15 emulated" }
const smartCardHsm = { manufacturer: "www.CardContact.de", model: "PKCS#15 emulated" }
const createKey = (...words: ReadonlyArray<string>) =>
  device.tedge(["hsm", "create-key", "--pin", "123456", ...words, "pkcs11:token=my-token"])

describe("a token that makes no keys", () => {
  it("is distinguished from an unsupported key type, and no other type is suggested", async () => {
    hsm.addToken()
    module.set({ C_GenerateKeyPair: { code: "CKR_MECHANISM_INVALID" } })
    expectRefusal(await createKey(), "returned CKR_MECHANISM_INVALID", "try another --type")
    module.setToken("my-token", { makesNoKeys: true })
    const refused = await createKey()
    expectRefusal(refused, "does not generate keys over PKCS#11", "with the token vendor's tool")
    expect(refused.stderr).not.toContain("--type")
  })

  it.each(["CKR_USER_NOT_LOGGED_IN", "CKR_FUNCTION_NOT_SUPPORTED", "CKR_TEMPLATE_INCONSISTENT"] as const)(
    "as a PIV card, which answers %s, has the tool that does",
    async (code) => {
      hsm.addToken()
      module.setToken("my-token", piv)
      module.set({ C_GenerateKeyPair: { code } })
      expectRefusal(await createKey(), "does not generate keys over PKCS#11", "yubico-piv-tool -a generate")
    }
  )
})

describe("a key that may not sign", () => {
  it("is named as that, not as missing", async () => {
    const token = hsm.addToken()
    token.importKey({ label: "wraps" })
    module.setAttribute({ object: "private", type: 0x108 }, { value: Uint8Array.of(0) })
    device.settings(
      `[device]\nid = "d"\nkey_uri = "pkcs11:token=my-token;object=wraps"\n[device.cryptoki]\nmode = "module"\nmodule_path = "${module.modulePath}"\npin = "123456"\n`
    )
    const refused = await device.tedge(["cert", "create-csr"])
    expectRefusal(refused, "cannot sign: the token does not allow it", "made for signing")
    expect(refused.stderr).toContain("object=wraps")
  })
})

describe("`hsm init` where every token is initialised", () => {
  it("says so, whether one was named or not, and what a new card of the kind needs", async () => {
    hsm.addToken({ label: "one" })
    module.setToken("*", smartCardHsm)
    const refused = await device.tedge(["hsm", "init", "--label", "new", "--so-pin", "1", "pkcs11:token=one"])
    expectRefusal(refused, "token 'one'", "sc-hsm-tool --initialize")
  })
})

describe("the state of a PIN", () => {
  it.each([
    [0x40000, "User PIN:     locked"],
    [0x20000, "User PIN:     one try left"],
    [0x10000, "User PIN:     a wrong one was given"]
  ])("with the flags %d is in `hsm list-tokens`", async (setFlags, line) => {
    hsm.addToken()
    expect((await device.tedge(["hsm", "list-tokens"])).stdout).not.toContain("User PIN")
    module.setToken("my-token", { setFlags })
    expect((await device.tedge(["hsm", "list-tokens"])).stdout).toContain(line)
  })
})

describe("a token without a label of its own", () => {
  it("is called by its slot in `hsm doctor`", async () => {
    hsm.addToken()
    const doctor = await device.tedge(["hsm", "doctor"])
    expect(doctor.stdout).toMatch(/2 found: my-token, slot \d+ \(not initialised\)/)
  })
})

describe("a locked PIN", () => {
  it("of a PIV card is unblocked by its PUK, of another token reset by the SO PIN", async () => {
    hsm.addToken()
    module.setToken("my-token", { setFlags: 0x40000 })
    const listKeys = () => device.tedge(["hsm", "list-keys", "pkcs11:token=my-token"])
    expectRefusal(await listKeys(), "is locked", "tedge hsm change-pin --reset")
    module.setToken("my-token", { ...piv, setFlags: 0x40000 })
    const card = await listKeys()
    expectRefusal(card, "is locked", "yubico-piv-tool -a unblock-pin")
    expect(card.stderr).not.toContain("--reset")
  })
})

describe("a key whose public key the token does not return", () => {
  it("is certified anew with the present certificate's key, once a signature has shown that it is the same", async () => {
    const token = hsm.addToken()
    token.importKey({ publicObject: true })
    const uri = "pkcs11:token=my-token;object=my-key"
    device.settings(
      `[device]\nid = "d"\nkey_uri = "${uri}"\n[device.cryptoki]\nmode = "module"\nmodule_path = "${module.modulePath}"\npin = "123456"\n`
    )
    const created = await device.tedge(["cert", "create", "--device-id", "d"])
    expect([created.code, created.stderr]).toEqual([0, expect.anything()])
    // EC_POINT of the public object, CKA_PUBLIC_KEY_INFO of both: not told.
    for (const object of ["public", "private"] as const)
      for (const type of [0x181, 0x129]) module.setAttribute({ object, type }, { code: "CKR_ATTRIBUTE_TYPE_INVALID" })
    const csr = await device.tedge(["cert", "create-csr"])
    expect([csr.code, csr.stderr]).toEqual([0, expect.anything()])
    const renewed = await device.tedge(["cert", "renew"])
    expect([renewed.code, renewed.stderr]).toEqual([0, expect.anything()])
  })

  it("and has no certificate yet has a sentence of its own", async () => {
    hsm.addToken().importKey({ publicObject: false })
    device.settings(
      `[device]\nid = "d"\nkey_uri = "pkcs11:token=my-token"\n[device.cryptoki]\nmode = "module"\nmodule_path = "${module.modulePath}"\npin = "123456"\n`
    )
    module.setAttribute({ object: "private", type: 0x129 }, { code: "CKR_ATTRIBUTE_TYPE_INVALID" })
    expectRefusal(await device.tedge(["cert", "create-csr"]), "does not tell the public key", "device.cert_path")
  })
})

describe("OP-TEE", () => {
  const opTee = { manufacturer: "Linaro", model: "OP-TEE TA" }

  it("whose device cannot be opened has no hint to plug it in", async () => {
    module.set({
      C_Initialize: {
        code: "CKR_DEVICE_ERROR",
        stdout: "ERR [7] CKTEEC:ckteec_invoke_init:298: TEEC init context failed\n"
      }
    })
    const refused = await device.tedge(["hsm", "list-keys"])
    expectRefusal(refused, "TEEC init context failed", "/dev/tee0")
    expect(refused.stderr).not.toContain("plug it in")
  })

  it("without its trusted application names it, and tee-supplicant", async () => {
    module.set({ C_Initialize: { code: "CKR_DEVICE_ERROR", stdout: "TEEC open session failed ffff0008 from 3\n" } })
    expectRefusal(await device.tedge(["hsm", "list-keys"]), "TEEC open session failed", "tee-supplicant")
  })

  it("whose memory is full says so", async () => {
    hsm.addToken()
    module.setToken("my-token", opTee)
    module.set({ C_FindObjects: { code: "CKR_GENERAL_ERROR" } })
    const refused = await device.tedge(["hsm", "list-keys"])
    expectRefusal(refused, "returned CKR_GENERAL_ERROR", "CFG_PKCS11_TA_HEAP_SIZE")
    expect(refused.stderr).not.toContain("plug it in")
  })
})
