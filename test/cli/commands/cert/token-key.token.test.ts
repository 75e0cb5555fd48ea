/** The certificate commands with the key in a SoftHSM2 token; the scripted module in front of it counts calls. */
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { freshHost } from "../../../actors/cryptoki/host/fresh-host.ts"
import {
  brokerThatSends,
  type InProcess,
  type InProcessOptions,
  tedgeInProcess
} from "../../../support/device/tedge-in-process.ts"
import { tempDir } from "../../../support/temp-dir.ts"
import { type EstServer, startEstServer } from "../../../support/tls/est-server.ts"
import { type TestPki, testPki } from "../../../support/tls/pki.ts"
import { type ScriptedModule, scriptedModule } from "../../../support/token/scripted-module.ts"
import {
  type SoftHsmDirectory,
  type SoftHsmToken,
  softhsmDirectory,
  type TokenKey
} from "../../../support/token/softhsm.ts"
import { checkedRequest, checkedSelfSigned, publicKeyOf } from "./openssl.ts"

let hsm: SoftHsmDirectory
let token: SoftHsmToken
let module: ScriptedModule
let keys: Readonly<Record<"p256" | "p384" | "rsa2048", TokenKey>>

beforeAll(async () => {
  await freshHost()
  hsm = softhsmDirectory()
  token = hsm.addToken({ label: "my-token" })
  keys = {
    p256: token.importKey({ kind: "p256", label: "key-p256", id: "01" }),
    p384: token.importKey({ kind: "p384", label: "key-p384", id: "02" }),
    rsa2048: token.importKey({ kind: "rsa2048", label: "key-rsa2048", id: "03" })
  }
  module = scriptedModule(hsm.modulePath)
})

afterAll(() => {
  module.cleanup()
  hsm.cleanup()
})

let dir: string

beforeEach(() => {
  dir = tempDir()
  module.reset()
})

const deviceWith = (uri: string, more = "", options: InProcessOptions = {}): InProcess => {
  const device = tedgeInProcess(dir, { ...options, environment: { ...options.environment, ...hsm.env } })
  device.settings(
    `device.key_uri = "${uri}"\n[device.cryptoki]\nmode = "module"\nmodule_path = "${module.modulePath}"\npin = "123456"\n${more}`
  )
  return device
}

const read = (path: string) => readFileSync(path, "utf8")
const signatures = async (work: () => Promise<unknown>): Promise<number> => {
  const before = module.calls("C_Sign")
  await work()
  return module.calls("C_Sign") - before
}

describe("tedge cert with the key in the token", () => {
  it.each([
    ["p256", "ecdsa-with-SHA256", "ECDSA-SHA256"],
    ["p384", "ecdsa-with-SHA384", "ECDSA-SHA384"],
    ["rsa2048", "sha256WithRSAEncryption", "RSA-SHA256"]
  ] as const)(
    "makes certificate and request for a %s key, with one signature each",
    async (kind, byOpenssl, byGnutls) => {
      const device = deviceWith(`pkcs11:token=my-token;object=key-${kind}`)
      const create = async () => {
        const done = await device.tedge(["cert", "create", "--device-id", "dev"])
        expect(done.code, done.stderr).toBe(0)
      }
      expect(await signatures(create)).toBe(1)
      expect(publicKeyOf(read(device.certPath))).toBe(keys[kind].publicKeyPem)
      expect(await checkedSelfSigned(device.certPath)).toContain(`Signature Algorithm: ${byGnutls}`)
      const createCsr = async () => {
        const done = await device.tedge(["cert", "create-csr"])
        expect([done.code, done.stdout], done.stderr).toEqual([0, `${device.csrPath}\n`])
      }
      expect(await signatures(createCsr)).toBe(1)
      const request = await checkedRequest(device.csrPath)
      expect(request).toContain(`Signature Algorithm: ${byOpenssl}`)
      expect(request).toMatch(/Subject: CN ?= ?dev/)
      const renew = async () => expect((await device.tedge(["cert", "renew"])).code).toBe(0)
      expect(await signatures(renew)).toBe(1)
      expect(publicKeyOf(read(`${device.certPath}.new`))).toBe(keys[kind].publicKeyPem)
      await checkedSelfSigned(`${device.certPath}.new`)
      expect(existsSync(device.keyPath)).toBe(false)
    }
  )

  it("leaves the key in the token when the certificate is removed, and says so", async () => {
    const device = deviceWith("pkcs11:object=key-p256")
    await device.tedge(["cert", "create", "--device-id", "dev"])
    const done = await device.tedge(["cert", "remove"])
    expect(done).toMatchObject({ code: 0, stderr: expect.stringContaining("The key in the token was kept") })
    expect((await device.tedge(["cert", "create", "--device-id", "dev"])).code).toBe(0)
  })

  it("renews for another key when the settings name one: that is how keys are changed", async () => {
    const device = deviceWith("pkcs11:object=key-p256")
    await device.tedge(["cert", "create", "--device-id", "dev"])
    await deviceWith("pkcs11:object=key-p384").tedge(["cert", "renew"])
    expect(publicKeyOf(read(device.certPath))).toBe(keys.p256.publicKeyPem)
    expect(publicKeyOf(read(`${device.certPath}.new`))).toBe(keys.p384.publicKeyPem)
  })

  it("uses the key of the cloud and profile that are named, not the device's", async () => {
    const certPath = join(dir, "p.pem")
    const device = deviceWith(
      "pkcs11:object=key-p256",
      `[c8y.device]\nkey_uri = "pkcs11:object=key-p384"\n[c8y.profiles.p]\nurl = "x.example"\ndevice.key_uri = "pkcs11:object=key-rsa2048"\ndevice.cert_path = "${certPath}"`
    )
    await device.tedge(["cert", "create", "--device-id", "dev", "c8y"])
    expect(publicKeyOf(read(device.certPath))).toBe(keys.p384.publicKeyPem)
    const done = await device.tedge(["cert", "create", "--device-id", "dev", "c8y", "--profile", "p"])
    expect(done.code, done.stderr).toBe(0)
    expect(publicKeyOf(read(certPath))).toBe(keys.rsa2048.publicKeyPem)
  })

  it("writes nothing when the signature fails", async () => {
    const device = deviceWith("pkcs11:object=key-p256")
    for (const [scripted, sentence] of [
      [{ code: "CKR_DEVICE_REMOVED" }, "is unavailable: C_Sign returned CKR_DEVICE_REMOVED"],
      [{ crash: "segv" }, "the PKCS#11 module crashed"],
      [{ signature: "corrupt" }, "does not match the public key on the token; nothing was written"]
    ] as const) {
      module.set({ C_Sign: scripted })
      const done = await device.tedge(["cert", "create", "--device-id", "dev"])
      expect([done.code, done.stderr]).toEqual([1, expect.stringContaining(sentence)])
      expect(existsSync(device.certPath)).toBe(false)
    }
  })
})

describe("without a key", () => {
  const commands = [
    ["cert", "create", "--device-id", "dev"],
    ["cert", "create-csr", "--device-id", "dev"],
    ["cert", "download", "c8y", "--device-id", "dev", "--url", "localhost:1"]
  ]

  it.each(commands.map((words) => [words.slice(0, 2).join(" "), words] as const))(
    "tedge %s makes none unasked: it says which command does",
    async (_name, words) => {
      const empty = hsm.addToken({ label: "empty" })
      const done = await deviceWith("pkcs11:token=empty").tedge(words)
      expect([done.code, done.stderr]).toEqual([
        1,
        expect.stringMatching(/error: .*token 'empty'.*\nhint: .*tedge cert create-key-hsm\n/)
      ])
      empty.erase()
    }
  )

  it("lists the keys there are when the settings select none of them", async () => {
    const done = await deviceWith("pkcs11:token=my-token;object=none").tedge(["cert", "create", "--device-id", "dev"])
    expect(done.code).toBe(1)
    for (const { label } of Object.values(keys)) expect(done.stderr).toContain(`object=${label}`)
    expect(done.stderr).toContain("tedge config set device.key_uri '<uri>'")
  })

  it("says which tokens there are when the settings name none of them", async () => {
    const done = await deviceWith("pkcs11:token=none").tedge(["cert", "create", "--device-id", "dev"])
    expect([done.code, done.stderr]).toEqual([1, expect.stringContaining("token=my-token")])
    expect(done.stderr).toContain("tedge cert create-key-hsm")
  })

  it("signs with a P-521 key too", async () => {
    const p521 = hsm.addToken({ label: "p521" })
    p521.importKey({ kind: "p521", label: "k", id: "09" })
    const device = deviceWith("pkcs11:token=p521")
    const done = await device.tedge(["cert", "create", "--device-id", "dev"])
    expect(done.code, done.stderr).toBe(0)
    await checkedSelfSigned(device.certPath)
    p521.erase()
  })
})

describe("enrolment with the key in the token", () => {
  let pki: TestPki
  let tenant: EstServer

  beforeAll(async () => {
    pki = testPki()
    tenant = await startEstServer(pki)
  })
  afterAll(async () => {
    await tenant.close()
    pki.remove()
  })

  it("downloads a certificate and renews it, with one signature each", async () => {
    tenant.state.registered.set("dev", "otp")
    tenant.state.tokens.add("a.b.c")
    const cloud = `[c8y]\nurl = "localhost"\nhttp = "${tenant.address}"\nroot_cert_path = "${pki.caFile}"`
    const device = deviceWith("pkcs11:object=key-rsa2048", cloud, { localBroker: brokerThatSends(["71,a.b.c"]) })
    const download = async () => {
      const done = await device.tedge(["cert", "download", "c8y", "--device-id", "dev", "-p", "otp"])
      expect(done.code, done.stderr).toBe(0)
    }
    expect(await signatures(download)).toBe(1)
    expect(publicKeyOf(read(device.certPath))).toBe(keys.rsa2048.publicKeyPem)
    const renew = async () => {
      const done = await device.tedge(["cert", "renew"])
      expect(done.code, done.stderr).toBe(0)
    }
    expect(await signatures(renew)).toBe(1)
    expect(publicKeyOf(read(`${device.certPath}.new`))).toBe(keys.rsa2048.publicKeyPem)
    // A given request needs no signature at all.
    await device.tedge(["cert", "create-csr", "--output-path", join(dir, "own.csr")])
    const given = async () => {
      const words = ["cert", "download", "c8y", "-p", "otp", "--csr-path", join(dir, "own.csr")]
      expect((await device.tedge(words)).code).toBe(0)
    }
    expect(await signatures(given)).toBe(0)
  })

  it("asks the token for no signature when there is no way to the cloud", async () => {
    const cloud = `[c8y]\nurl = "localhost"\nhttp = "${tenant.address}"\nroot_cert_path = "${pki.caFile}"`
    const device = deviceWith("pkcs11:object=key-p256", cloud)
    await device.tedge(["cert", "create", "--device-id", "dev"])
    const renew = async () => expect((await device.tedge(["cert", "renew", "--ca", "c8y"])).code).toBe(1)
    expect(await signatures(renew)).toBe(0)
  })
})
