/** `tedge hsm doctor` and a token, a PIN, a signature or a server that is not as it should be. */
import { chmodSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { freshHost } from "../../../actors/cryptoki/host/fresh-host.ts"
import { type InProcess, tedgeInProcess } from "../../../support/device/tedge-in-process.ts"
import { tempDir } from "../../../support/temp-dir.ts"
import { startEstServer } from "../../../support/tls/est-server.ts"
import { makeServerCertificate, testPki } from "../../../support/tls/pki.ts"
import { type ScriptedModule, scriptedModule } from "../../../support/token/scripted-module.ts"
import { type SoftHsmDirectory, type SoftHsmToken, softhsmDirectory } from "../../../support/token/softhsm.ts"

let hsm: SoftHsmDirectory
let token: SoftHsmToken
let module: ScriptedModule
let device: InProcess

beforeAll(freshHost)

beforeEach(() => {
  hsm = softhsmDirectory()
  token = hsm.addToken({ label: "my-token" })
  token.importKey({ label: "my-key", id: "01" })
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

describe("the settings files", () => {
  const line = async () => (await examined()).find((one) => one.includes("settings files"))

  it("are reported if they are world-readable, with a better place for a PIN", async () => {
    const path = join(device.configDir, "tedge.toml")
    expect(await line()).toMatch(
      /^✓ settings files: device\.cryptoki\.pin is in '.*tedge\.toml', .* it belongs in '.*secrets\.toml' \(tedge config upgrade\)$/
    )
    chmodSync(path, 0o644)
    expect(await line()).toBe(
      `✗ settings files: '${path}' holds a PIN or a password and may be read by others (mode 644) hint: tedge config upgrade moves it to secrets.toml; or: chmod 640 '${path}'`
    )
    const copy = `${path}.bak`
    writeFileSync(copy, '[device]\nkey_uri = "pkcs11:token=a?pin-value=1234"\n')
    chmodSync(path, 0o640)
    await device.set("device.cryptoki.pin", "123456")
    expect(await line()).toBe(
      `✗ settings files: the copy '${copy}' holds a PIN or a password and may be read by others (mode 644) hint: when the device is connected: rm '${copy}'`
    )
    chmodSync(copy, 0o640)
    expect(await line()).toBe(
      `✓ settings files: the copy '${copy}' holds a PIN or a password (when the device is connected: rm '${copy}')`
    )
    rmSync(copy)
    expect(await line()).toBe("✓ settings files: no secret can be read by others")
  })
})

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

  it("with another name, or from another CA, is reported with a next step", async () => {
    for (const lines of [
      await examinedAt({ names: "DNS:else.example" }),
      await examinedAt({ names: "DNS:localhost" }, true)
    ])
      expect(lines).toContainEqual(expect.stringMatching(/^✗ cloud is reachable and trusted: .* hint: /))
  })
})

describe("the certificate's key", () => {
  const others = `c8y.url = "localhost"`
  const key = (label: string) =>
    `device.key_uri = "pkcs11:token=my-token;object=${label}"\n${others}\n[device.cryptoki]\nmode = "module"\nmodule_path = "${module.modulePath}"\npin = "123456"\n`

  it("is what counts while the key is changed, and the setting that names another is said", async () => {
    device.settings(`device.id = "dev"\n${key("my-key")}`)
    expect((await device.tedge(["cert", "create"])).code).toBe(0)
    expect(await examined()).toContain("✓ certificate is for the key: yes")
    expect((await device.tedge(["hsm", "create-key", "--label", "second"])).code).toBe(0)
    const line = (await examined()).find((one) => one.includes("certificate is for the key"))
    expect(line).toMatch(
      /^✓ certificate is for the key: yes, 'pkcs11:\S*object=my-key\S*', which connections use; device\.key_uri names another key, 'pkcs11:\S*object=second\S*', whose certificate is not in use yet$/
    )
    expect(line).not.toContain("123456")
    const deleted = await device.tedge(["hsm", "delete-key", "--label", "my-key"], "n\n")
    expect(deleted.stderr).toContain(
      `warning: it is the key of the certificate '${device.certPath}', which cannot connect without it`
    )
    expect(deleted.stderr).toContain("Aborted; no keys were deleted.")
    expect((await device.tedge(["hsm", "delete-key", "--label", "my-key", "--force"])).code).toBe(0)
    expect((await examined()).find((one) => one.includes("certificate is for the key"))).toMatch(/^✗ /)
  })

  it("of a cloud of its own is named by that cloud's setting", async () => {
    device.settings(`device.id = "dev"\n${key("my-key")}`)
    await device.tedge(["cert", "create"])
    expect((await device.tedge(["hsm", "create-key", "--label", "second"])).code).toBe(0)
    device.settings(`device.id = "dev"\nc8y.device.key_uri = "pkcs11:token=my-token;object=second"\n${key("my-key")}`)
    expect((await examined()).find((one) => one.includes("certificate is for the key"))).toContain(
      "; c8y.device.key_uri names another key"
    )
  })

  it("is listed with its size and the clouds that use it", async () => {
    const more = `c8y.profiles.p.url = "x.example"\nc8y.profiles.p.device.key_uri = "pkcs11:token=my-token;object=big"\naz.url = "y.example"\n`
    device.settings(`${more}${key("my-key")}`)
    token.importKey({ label: "big", id: "02", kind: "rsa2048" })
    const text = await device.tedge(["hsm", "list-keys"])
    expect(text.stdout).toMatch(
      /Private key\n {2}Label: my-key\n.*\n.*\n {2}Size: {2}P-256\n.*\n {2}Used: {2}c8y, az\n/
    )
    expect(text.stdout).toMatch(
      /Private key\n {2}Label: big\n.*\n.*\n {2}Size: {2}2048 bits\n.*\n {2}Used: {2}c8y --profile p\n/
    )
    expect(text.stdout).not.toMatch(/Public key\n[^P]*Used:/)
    const listed = JSON.parse((await device.tedge(["hsm", "list-keys", "--json"])).stdout)
    expect(listed).toContainEqual(
      expect.objectContaining({ class: "private", label: "my-key", curve: "P-256", used_by: ["c8y", "az"] })
    )
    expect(listed).toContainEqual(
      expect.objectContaining({ class: "private", label: "big", bits: 2048, used_by: ["c8y --profile p"] })
    )
  })
})

describe("several tokens that match", () => {
  it("are named, with URIs a shell takes as they stand", async () => {
    hsm.addToken({ label: "other" }).importKey({ label: "my-key", id: "01" })
    device.settings(
      `device.key_uri = "pkcs11:object=my-key"\n[device.cryptoki]\nmode = "module"\nmodule_path = "${module.modulePath}"\npin = "123456"\n`
    )
    const line = (await examined()).find((one) => one.includes("token is unambiguous"))
    expect(line).toMatch(
      /^✗ token is unambiguous: several tokens match hint: name one of them: 'pkcs11:\S*token=(?:my-token|other)', 'pkcs11:\S*token=(?:my-token|other)'$/
    )
  })
})
