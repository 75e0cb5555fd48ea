/** `tedge cert download | renew | upload` against a tenant's HTTPS interface. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { mustRun } from "../../../../scripts/lib/run.mjs"
import type { MqttMessage } from "../../../../src/messages/mqtt.ts"
import {
  brokerThatSends,
  type InProcess,
  type InProcessOptions,
  tedgeInProcess
} from "../../../support/device/tedge-in-process.ts"
import { tempDir } from "../../../support/temp-dir.ts"
import { type EstServer, startEstServer, tenantUser } from "../../../support/tls/est-server.ts"
import { makeServerCertificate, type TestPki, testPki } from "../../../support/tls/pki.ts"
import { checkedRequest, publicKeyOf } from "./openssl.ts"

let pki: TestPki
let tenant: EstServer
let dir: string
let device: InProcess

beforeAll(() => {
  pki = testPki()
})
afterAll(() => pki.remove())

beforeEach(async () => {
  dir = tempDir()
  tenant = await startEstServer(pki)
  device = deviceOf()
})
afterEach(() => tenant.close())

const deviceOf = (options: InProcessOptions = {}, more = ""): InProcess => {
  const made = tedgeInProcess(dir, options)
  made.settings(`c8y.url = "localhost"\nc8y.http = "${tenant.address}"\nc8y.root_cert_path = "${pki.caFile}"\n${more}`)
  return made
}

const read = (path: string) => readFileSync(path, "utf8")
const download = (...words: ReadonlyArray<string>) =>
  device.tedge(["cert", "download", "c8y", "--device-id", "dev", "-p", "secret-otp", ...words])
const atOnce = ["--retry-every", "10ms", "--max-timeout", "1m"]
const base64Of = (pem: string) => pem.replace(/-----[^-]*-----|\s/g, "")
const errors = (stderr: string) => stderr.split("\n").filter((line) => line.startsWith("error: "))
const pendingOf = ({ certPath }: InProcess) => `${certPath}.new`

describe("tedge cert download c8y", () => {
  it("waits until the device is registered, then saves what the CA sent", async () => {
    tenant.state.registerAfter = { deviceId: "dev", password: "secret-otp", refusals: 2 }
    tenant.state.withChain = true
    const done = await download(...atOnce)
    expect(done.code, done.stderr).toBe(0)
    expect(done.stderr.match(/is not registered yet with this one-time password/g)).toHaveLength(2)
    expect(errors(done.stderr)).toEqual([])
    const saved = read(device.certPath)
    expect(saved.match(/BEGIN CERTIFICATE/g)).toHaveLength(2)
    expect(publicKeyOf(saved)).toBe(publicKeyOf(read(device.keyPath)))
    await mustRun("openssl", ["verify", "-CAfile", pki.caFile, "-untrusted", device.certPath, device.certPath])
    expect(`${done.stdout}${done.stderr}`).not.toContain("secret-otp")
    expect(base64Of(read(device.csrPath))).toBe(base64Of(tenant.certified.at(-1) ?? ""))
  })

  it("goes on where the request cannot be kept, and says so", async () => {
    tenant.state.registered.set("dev", "secret-otp")
    mkdirSync(device.csrPath, { recursive: true })
    const done = await download(...atOnce)
    expect(done.code, done.stderr).toBe(0)
    expect(done.stderr).toMatch(/^warning: the request was not saved: .*tedge\.csr/m)
    expect(read(device.certPath)).toContain("BEGIN CERTIFICATE")
  })

  it("shows the password, and the address with it, only when it made the password", async () => {
    const done = await device.tedge(["cert", "download", "c8y", "--device-id", "d v", "--max-timeout", "0s"])
    expect(done.code).toBe(1)
    const password = /one-time password: (\S{32})\n/.exec(done.stderr)?.[1]
    expect(done.stderr).toContain(
      `https://${tenant.address}/apps/devicemanagement/index.html#/deviceregistration?externalId=d+v&one-time-password=${password}`
    )
    const given = (await download("--max-timeout", "0s")).stderr
    expect(given).toContain("#/deviceregistration\n")
    expect(given).not.toContain("secret-otp")
  })

  it("prompts for the password with --prompt, without printing it, and fails without an answer", async () => {
    tenant.state.registered.set("dev", "typed-otp")
    const words = ["cert", "download", "c8y", "--device-id", "dev", "--prompt", ...atOnce]
    const closed = await device.tedge(words)
    expect([closed.code, closed.stderr]).toEqual([1, expect.stringContaining("--one-time-password")])
    expect(tenant.requests).toEqual([])
    const done = await device.tedge(words, "typed-otp\n")
    expect([done.code, done.stdout], done.stderr).toEqual([0, expect.stringContaining("CN=dev")])
    expect(done.stderr).toContain("One-time password: ")
    expect(`${done.stdout}${done.stderr}`).not.toContain("typed-otp")
  })

  it("takes a password that is given before --prompt asks", async () => {
    tenant.state.registered.set("dev", "secret-otp")
    const done = await download("--prompt", ...atOnce)
    expect([done.code, done.stderr]).toEqual([0, expect.not.stringContaining("One-time password:")])
  })

  it.each([
    ["an option", ["--no-registration-url"], {}],
    ["a variable", [], { DEVICE_NO_REGISTRATION_URL: "true" }]
  ])("leaves the address out for %s, and names the device all the same", async (_, words, environment) => {
    device = deviceOf({ environment })
    for (const given of [["-p", "secret-otp"], []]) {
      const rest = [...given, "--max-timeout", "0s", ...words]
      const { stderr } = await device.tedge(["cert", "download", "c8y", "--device-id", "dev", ...rest])
      expect(stderr).toMatch(/device id: dev/i)
      expect(stderr).not.toContain("deviceregistration")
    }
  })

  it("gives up after the time that was given, and says what to do", async () => {
    const done = await download("--retry-every", "10ms", "--max-timeout", "50ms")
    expect([done.code, existsSync(device.certPath)]).toEqual([1, false])
    // An attempt that takes longer than a second is an error before it.
    expect(errors(done.stderr).at(-1)).toContain("Maximum timeout elapsed")
    expect(done.stderr).toContain("hint: register the device in the cloud")
  })

  it("keeps a certificate that is there: the new one waits beside it", async () => {
    mkdirSync(dirname(device.certPath), { recursive: true })
    writeFileSync(device.certPath, pki.deviceCertPem)
    tenant.state.registered.set("dev", "secret-otp")
    const done = await download()
    expect(done.code, done.stderr).toBe(0)
    expect(read(device.certPath)).toBe(pki.deviceCertPem)
    expect(publicKeyOf(read(pendingOf(device)))).toBe(publicKeyOf(read(device.keyPath)))
  })

  it("takes the password from the environment", async () => {
    tenant.state.registered.set("env-dev", "from-env")
    device = deviceOf({ environment: { DEVICE_ID: "env-dev", DEVICE_ONE_TIME_PASSWORD: "from-env" } })
    const done = await device.tedge(["cert", "download", "c8y"])
    expect([done.code, done.stdout], done.stderr).toEqual([0, expect.stringContaining("CN=env-dev")])
  })

  it.each([
    ["400", "failed with status 400 (no, with 400)"],
    ["garbage", "is not a PKCS#7 message with certificates"],
    ["notX509", "is not a PKCS#7 message with certificates"],
    ["empty", "is not a PKCS#7 message with certificates"],
    ["otherKey", "contains a certificate for a different key"]
  ] as const)("ends at once when waiting cannot help: %s", async (fault, sentence) => {
    tenant.state.registered.set("dev", "secret-otp")
    tenant.state.fault = fault
    const done = await download(...atOnce)
    expect([done.code, existsSync(device.certPath)]).toEqual([1, false])
    expect(errors(done.stderr)).toEqual([expect.stringContaining(sentence)])
    expect(tenant.requests).toHaveLength(1)
  })

  it.each([
    ["500", "failed with status 500"],
    ["cutOff", "cannot be reached"],
    ["endless", "the answer is longer than 1 MiB"]
  ] as const)("tries again after a fault that may pass: %s", async (fault, sentence) => {
    tenant.state.registered.set("dev", "secret-otp")
    tenant.state.fault = fault
    const done = download("--retry-every", "300ms", "--max-timeout", "1m")
    while (tenant.requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 10))
    tenant.state.fault = undefined
    const { code, stderr } = await done
    expect(code, stderr).toBe(0)
    expect(stderr).toContain(sentence)
  })

  it("does not wait longer than it may for a server that hangs", async () => {
    tenant.state.registered.set("dev", "secret-otp")
    tenant.state.fault = "hang"
    const done = await download("--retry-every", "10ms", "--max-timeout", "300ms")
    expect(errors(done.stderr)).toEqual([
      expect.stringContaining("ETIMEDOUT"),
      expect.stringContaining("Maximum timeout elapsed")
    ])
  })

  it("does not send the password to a server it does not trust, and does not wait for trust", async () => {
    const other = testPki()
    const foreign = await startEstServer(other)
    const done = await download(...atOnce, "--url", foreign.address)
    expect(errors(done.stderr)).toEqual([expect.stringMatching(/cannot be reached: UNABLE_TO_GET_ISSUER/)])
    expect(done.stderr).toContain("root_cert_path")
    expect(foreign.requests).toEqual([])
    await foreign.close()
    other.remove()
  })

  it("does not trust the right CA for another name", async () => {
    const { certPem, keyPem } = makeServerCertificate(pki.ca, { names: "DNS:elsewhere.example" })
    const misnamed = await startEstServer(pki, { cert: certPem, key: keyPem })
    const done = await download(...atOnce, "--url", misnamed.address)
    expect(errors(done.stderr)).toEqual([expect.stringContaining("ERR_TLS_CERT_ALTNAME_INVALID")])
    expect(misnamed.requests).toEqual([])
    await misnamed.close()
  })

  it.each(["https://tenant.example", "a b", "host:99999", "host/path"])("refuses '%s' as host", async (url) => {
    const done = await download("--url", url)
    expect([done.code, errors(done.stderr)]).toEqual([2, [expect.stringContaining("is not a valid host for --url")]])
  })

  it.each(["soon", "1 fortnight"])("refuses '%s' as a duration, before a key is made", async (text) => {
    const done = await download("--retry-every", text)
    expect([done.code, existsSync(device.keyPath)]).toEqual([2, false])
    expect(errors(done.stderr)).toEqual([expect.stringContaining("is not a valid duration for --retry-every")])
  })
})

describe("tedge cert download c8y --csr-path", () => {
  it("sends the request that is given, under its own name", async () => {
    tenant.state.registered.set("own-name", "secret-otp")
    const csr = join(dir, "my.csr")
    await device.tedge(["cert", "create-csr", "--device-id", "own-name", "--output-path", csr])
    const done = await device.tedge(["cert", "download", "c8y", "-p", "secret-otp", "--csr-path", csr])
    expect([done.code, done.stdout], done.stderr).toEqual([0, expect.stringContaining("CN=own-name")])
    expect(tenant.certified).toEqual([read(csr)])
  })

  it("refuses one that was made with another key, is invalid, or is missing", async () => {
    const csr = join(dir, "my.csr")
    await device.tedge(["cert", "create-csr", "--device-id", "dev"])
    await mustRun("openssl", ["req", "-new", "-key", pki.deviceKeyFile, "-subj", "/CN=dev", "-out", csr])
    for (const [path, sentence] of [
      [csr, "was made with a key other than the device's"],
      [pki.deviceCertFile, "is not a certificate signing request"],
      [join(dir, "none"), "cannot be read: ENOENT"]
    ] as const) {
      const done = await download("--csr-path", path)
      expect([done.code, errors(done.stderr)]).toEqual([1, [expect.stringContaining(sentence)]])
    }
    expect(tenant.requests).toEqual([])
  })
})

describe("tedge cert renew --ca c8y", () => {
  const enrolled = async (options: InProcessOptions): Promise<void> => {
    device = deviceOf(options)
    tenant.state.registered.set("dev", "secret-otp")
    expect((await download()).code).toBe(0)
  }

  it("enrols again at the tenant itself with the access token of the connection, and keeps the present one", async () => {
    const asked: Array<MqttMessage> = []
    tenant.state.tokens.add("aa.bb.cc")
    await enrolled({ localBroker: brokerThatSends(["70,x", "71,", "71,evil\r\nX: y", "71,aa.bb.cc"], asked) })
    const before = read(device.certPath)
    const done = await device.tedge(["cert", "renew"])
    expect(done.code, done.stderr).toBe(0)
    expect(asked.map(({ topic }) => topic)).toEqual(["c8y/s/uat"])
    expect(tenant.requests.at(-1)).toBe("POST /.well-known/est/simplereenroll")
    expect(tenant.lastHeaders()).toMatchObject({
      "content-type": "application/pkcs10",
      "user-agent": expect.stringMatching(/^thin-edge\.io /)
    })
    expect(read(device.certPath)).toBe(before)
    expect(publicKeyOf(read(pendingOf(device)))).toBe(publicKeyOf(before))
    expect(`${done.stdout}${done.stderr}`).not.toContain("aa.bb.cc")
    const csr = join(dir, "sent.csr")
    writeFileSync(csr, tenant.certified.at(-1) ?? "")
    expect(await checkedRequest(csr)).toMatch(/CN ?= ?dev/)
    // What was sent stays at device.csr_path, as with thin-edge.
    expect(base64Of(read(device.csrPath))).toBe(base64Of(read(csr)))
  })

  it("sends the request of --csr-path, and refuses one of another key or beside --ca self-signed", async () => {
    tenant.state.tokens.add("aa.bb.cc")
    await enrolled({ localBroker: brokerThatSends(["71,aa.bb.cc"]) })
    const [csr, other] = [join(dir, "my.csr"), join(dir, "other.csr")]
    await device.tedge(["cert", "create-csr", "--output-path", csr])
    await mustRun("openssl", ["req", "-new", "-key", pki.deviceKeyFile, "-subj", "/CN=dev", "-out", other])
    const before = tenant.certified.length
    for (const words of [
      ["--csr-path", other],
      ["--csr-path", csr, "--ca", "self-signed"]
    ])
      expect((await device.tedge(["cert", "renew", ...words])).code).not.toBe(0)
    expect([tenant.certified.length, existsSync(pendingOf(device))]).toEqual([before, false])
    const done = await device.tedge(["cert", "renew", "--csr-path", csr])
    expect(done.code, done.stderr).toBe(0)
    expect(base64Of(tenant.certified.at(-1) ?? "")).toBe(base64Of(read(csr)))
    expect(publicKeyOf(read(pendingOf(device)))).toBe(publicKeyOf(read(device.keyPath)))
  })

  it("means --ca c8y with --csr-path, also where the certificate is self-signed", async () => {
    tenant.state.tokens.add("aa.bb.cc")
    await enrolled({ localBroker: brokerThatSends(["71,aa.bb.cc"]) })
    const csr = join(dir, "my.csr")
    await device.tedge(["cert", "create-csr", "--output-path", csr])
    const selfSigned = ["req", "-x509", "-new", "-key", device.keyPath, "-subj", "/CN=dev", "-out", device.certPath]
    await mustRun("openssl", selfSigned)
    const done = await device.tedge(["cert", "renew", "--csr-path", csr])
    expect(done.code, done.stderr).toBe(0)
    expect(base64Of(tenant.certified.at(-1) ?? "")).toBe(base64Of(read(csr)))
  })

  it("does not send the token of a local client that is retained or was there before, and takes the next after a 401", async () => {
    tenant.state.tokens.add("aa.bb.cc")
    const before = [
      { text: "71,evil.retained.x", retain: true },
      { text: "71,evil.early.x", retain: false }
    ]
    await enrolled({ localBroker: brokerThatSends(["71,evil.late.x", "71,aa.bb.cc"], [], before) })
    const done = await device.tedge(["cert", "renew"])
    expect(done.code, done.stderr).toBe(0)
    // One was refused: that which came after the question.
    expect(tenant.requests.filter((request) => request.endsWith("simplereenroll")).length).toBe(2)
  })

  it("says that the local broker is down, and how to get the connection", async () => {
    await enrolled({})
    const done = await device.tedge(["cert", "renew"])
    expect([done.code, done.stderr]).toEqual([
      1,
      "error: no access token for the renewal from the cloud: connection refused at 127.0.0.1:1883\n" +
        "hint: the access token is requested over the connection to the cloud; check it: tedge connect c8y --test\n"
    ])
    expect(existsSync(pendingOf(device))).toBe(false)
  })

  it("says what the tenant refused, and leaves no pending certificate", async () => {
    await enrolled({ localBroker: brokerThatSends(["71,aa.bb.cc"]) })
    const refused = await device.tedge(["cert", "renew"])
    expect(errors(refused.stderr)).toEqual([expect.stringContaining("simplereenroll failed with status 401")])
    tenant.state.tokens.add("aa.bb.cc")
    tenant.state.fault = "otherKey"
    const foreign = await device.tedge(["cert", "renew"])
    expect(errors(foreign.stderr)).toEqual([expect.stringContaining("a different key")])
    expect(existsSync(pendingOf(device))).toBe(false)
  })
})

describe("tedge cert upload c8y", () => {
  const login = ["--user", tenantUser.user, "--password", tenantUser.password]
  const withCertificate = () => device.tedge(["cert", "create", "--device-id", "dev"])

  it("makes the tenant trust the certificate, and says when it did already", async () => {
    await withCertificate()
    const done = await device.tedge(["cert", "upload", "c8y", ...login])
    expect([done.code, done.stderr]).toEqual([0, "Device certificate uploaded successfully.\n"])
    expect(tenant.trusted).toEqual([
      { name: "dev", certInPemFormat: read(device.certPath), autoRegistrationEnabled: true, status: "ENABLED" }
    ])
    const again = await device.tedge(["cert", "upload", "c8y", ...login])
    expect([again.code, again.stderr]).toEqual([0, "Device certificate already exists in the cloud.\n"])
  })

  it("uploads the renewed certificate that waits", async () => {
    await withCertificate()
    await device.tedge(["cert", "renew"])
    const done = await device.tedge(["cert", "upload", "c8y", ...login])
    expect(done.stderr).toBe("New device certificate uploaded successfully.\n")
    expect(tenant.trusted[0]).toMatchObject({ certInPemFormat: read(pendingOf(device)) })
  })

  it("asks for what was not given, and takes it from the environment first", async () => {
    await withCertificate()
    const typed = await device.tedge(["cert", "upload", "c8y"], `${tenantUser.user}\n${tenantUser.password}\n`)
    expect([typed.code, typed.stderr]).toEqual([0, expect.stringContaining("Enter username: \nEnter password: ")])
    const nobody = await device.tedge(["cert", "upload", "c8y", "--user", "operator"])
    expect([nobody.code, nobody.stderr]).toEqual([1, expect.stringContaining("use --password")])
    const environment = { C8Y_USER: tenantUser.user, C8Y_PASSWORD: tenantUser.password }
    const silent = await deviceOf({ environment }).tedge(["cert", "upload", "c8y"])
    expect([silent.code, silent.stderr]).toEqual([0, "Device certificate already exists in the cloud.\n"])
  })

  it("says that the login is wrong, without showing the password", async () => {
    await withCertificate()
    const done = await device.tedge(["cert", "upload", "c8y", "--user", "operator", "--password", "wr0ng"])
    expect([done.code, errors(done.stderr)]).toEqual([
      1,
      [expect.stringContaining("/tenant/currentTenant failed with status 401")]
    ])
    expect(done.stderr).not.toContain("wr0ng")
  })

  it("reports a server that is not Cumulocity", async () => {
    await withCertificate()
    tenant.state.fault = "noTenant"
    const done = await device.tedge(["cert", "upload", "c8y", ...login])
    expect(errors(done.stderr)).toEqual([expect.stringContaining("is not a valid response of a Cumulocity server")])
  })

  it("uses the trusted certificates of the settings, and says when none can be read", async () => {
    await withCertificate()
    device.settings(
      `c8y.url = "localhost"\nc8y.http = "${tenant.address}"\nc8y.root_cert_path = "${join(dir, "none")}"`
    )
    const done = await device.tedge(["cert", "upload", "c8y", ...login])
    expect([done.code, done.stderr]).toEqual([1, expect.stringContaining("does not exist")])
  })

  it("is for the profile that is named", async () => {
    device = deviceOf(
      {},
      `[c8y.profiles.p]\nurl = "localhost"\nhttp = "${tenant.address}"\nroot_cert_path = "${pki.caFile}"\ndevice.id = "p-dev"\ndevice.cert_path = "${join(dir, "p.pem")}"\ndevice.key_path = "${join(dir, "p.key")}"`
    )
    await device.tedge(["cert", "create", "c8y", "--profile", "p"])
    const done = await device.tedge(["cert", "upload", "c8y", "--profile", "p", ...login])
    expect(done.code, done.stderr).toBe(0)
    expect(tenant.trusted).toMatchObject([{ name: "p-dev" }])
  })
})
