/** `tedge hsm doctor` and a token, a PIN, a signature or a server that is not as it should be. */
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { freshHost } from "../../actors/cryptoki/fresh-host.ts"
import { startEstServer } from "../../support/est-server.ts"
import { makeServerCertificate, testPki } from "../../support/pki.ts"
import { type ScriptedModule, scriptedModule } from "../../support/scripted-module.ts"
import { type SoftHsmDirectory, softhsmDirectory } from "../../support/softhsm.ts"
import { type InProcess, tedgeInProcess } from "../../support/tedge-in-process.ts"
import { tempDir } from "../../support/temp-dir.ts"

let hsm: SoftHsmDirectory
let module: ScriptedModule
let device: InProcess

beforeAll(freshHost)

beforeEach(() => {
  hsm = softhsmDirectory()
  hsm.addToken({ label: "my-token" }).importKey({ label: "my-key", id: "01" })
  module = scriptedModule(hsm.modulePath)
  device = tedgeInProcess(tempDir(), { environment: hsm.env })
  use("123456")
})

afterEach(() => {
  module.cleanup()
  hsm.cleanup()
})

const use = (pin: string, more = "") =>
  device.settings(
    `device.key_uri = "pkcs11:token=my-token;object=my-key"\n${more}\n[device.cryptoki]\nmode = "module"\nmodule_path = "${module.modulePath}"\npin = "${pin}"\n`
  )

/** Its lines, each with the hint below it. */
const examined = async (): Promise<ReadonlyArray<string>> => {
  const { stdout } = await device.tedge(["hsm", "doctor"])
  return stdout.replaceAll("\n    hint:", " hint:").split("\n")
}

const finalTry = 0x20000
const locked = 0x40000
const countLow = 0x10000
const userPinInitialized = 0x8

describe("the PIN state", () => {
  it.each([
    [{}, "✓ PIN state: set; the token's flags show no wrong one and no lock", 1],
    [{ setFlags: countLow }, "✓ PIN state: set; the token counts a wrong one since the last login", 1],
    [{ setFlags: countLow | finalTry }, "✗ PIN state: token 'my-token' has one PIN try left, so no PIN was tried", 0],
    [{ setFlags: locked }, "✗ PIN state: the user PIN of token 'my-token' is locked hint: reset it with the SO PIN", 0],
    [{ clearFlags: userPinInitialized }, "✗ PIN state: token 'my-token' has no user PIN yet hint: set one", undefined]
  ])("is what the token tells without a try: %j", async (flags, line, logins) => {
    module.setToken("my-token", flags)
    const lines = await examined()
    expect(lines.find((one) => one.includes("PIN state"))).toContain(line)
    if (logins !== undefined) expect(module.calls("C_Login")).toBe(logins)
  })

  it("a wrong PIN costs one try, however often the doctor comes", async () => {
    use("9999")
    expect(await examined()).toContainEqual(expect.stringContaining("✗ login and key: token 'my-token': The specified"))
    expect(module.calls("C_Login")).toBe(1)
    expect(await examined()).toContainEqual(expect.stringContaining("it was refused before and was not tried again"))
    expect(module.calls("C_Login")).toBe(1)
  })
})

describe("a module or token that fails", () => {
  it("is quoted with what it printed", async () => {
    module.set({ C_Initialize: { code: "CKR_GENERAL_ERROR", stderr: "pcscd is not there\n" } })
    const [, tokens] = await examined()
    expect(tokens).toMatch(/^✗ tokens: .*pcscd is not there/)
  })

  it("that signs wrongly is caught, though it says that all is well", async () => {
    module.set({ C_Sign: { signature: "corrupt" } })
    const lines = (await examined()).join("\n")
    expect(lines).toMatch(/✗ (signature verifies|signs ecdsa_secp256r1_sha256): /)
  })
})

describe("the cloud", () => {
  const examinedAt = async (validity: Parameters<typeof makeServerCertificate>[1], trustsOther = false) => {
    const pki = testPki()
    const other = testPki()
    const { certPem, keyPem } = makeServerCertificate(pki.ca, validity)
    const server = await startEstServer(pki, { cert: certPem, key: keyPem })
    const ca = trustsOther ? other.caFile : pki.caFile
    use("123456", `c8y.url = "localhost"\nc8y.mqtt = "${server.address}"\nc8y.root_cert_path = "${ca}"`)
    const lines = await examined()
    await server.close()
    pki.remove()
    other.remove()
    return lines
  }

  it("that is trusted says whether the clock can be right", async () => {
    const lines = await examinedAt({ names: "DNS:localhost" })
    expect(lines).toContainEqual(expect.stringMatching(/^✓ cloud is reachable and trusted: TLSv1\.[23]$/))
    expect(lines).toContainEqual(expect.stringMatching(/^✓ clock: .* within the validity/))
  })

  it("with another name, or from another CA, is told with a next step", async () => {
    for (const lines of [
      await examinedAt({ names: "DNS:else.example" }),
      await examinedAt({ names: "DNS:localhost" }, true)
    ])
      expect(lines).toContainEqual(expect.stringMatching(/^✗ cloud is reachable and trusted: .* hint: /))
  })
})
