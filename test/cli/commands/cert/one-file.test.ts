/** Certificate and private key in one PEM file: the key is never sent, never lost, never written over. */
import { existsSync, linkSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { mustRun } from "../../../../scripts/lib/run.mjs"
import { type InProcess, tedgeInProcess } from "../../../support/device/tedge-in-process.ts"
import { tempDir } from "../../../support/temp-dir.ts"
import { type EstServer, startEstServer, tenantUser } from "../../../support/tls/est-server.ts"
import { makeCa, makeDeviceCertificate, type TestPki, testPki } from "../../../support/tls/pki.ts"
import { checkedRequest } from "./openssl.ts"

let pki: TestPki
let tenant: EstServer
let dir: string
let device: InProcess
let both: string

beforeAll(() => {
  pki = testPki()
})
afterAll(() => pki.remove())

beforeEach(async () => {
  dir = tempDir()
  tenant = await startEstServer(pki)
  device = tedgeInProcess(dir)
  both = join(dir, "etc/device.pem")
  useFiles(both, both)
})
afterEach(() => tenant.close())

const useFiles = (certPath: string, keyPath: string, more = "") =>
  device.settings(
    `c8y.url = "localhost"\nc8y.http = "${tenant.address}"\nc8y.root_cert_path = "${pki.caFile}"
device.cert_path = "${certPath}"\ndevice.key_path = "${keyPath}"\n${more}`
  )
const read = (path: string) => readFileSync(path, "utf8")
const upload = () =>
  device.tedge(["cert", "upload", "c8y", "--user", tenantUser.user, "--password", tenantUser.password])

describe("a private key in the certificate file", () => {
  it.each(["certificate first", "key first"])("is not uploaded (%s)", async (order) => {
    const parts = [pki.deviceCertPem, pki.deviceKeyPem]
    writeFileSync(both, (order === "key first" ? parts.toReversed() : parts).join(""))
    const done = await upload()
    expect([done.code, done.stderr]).toEqual([0, "Device certificate uploaded successfully.\n"])
    expect(tenant.trusted).toMatchObject([{ certInPemFormat: pki.deviceCertPem }])
    expect(JSON.stringify(tenant.trusted)).not.toContain("PRIVATE KEY")
  })

  it("is not uploaded out of a pending file either", async () => {
    writeFileSync(both, `${pki.deviceCertPem}${pki.deviceKeyPem}`)
    writeFileSync(`${both}.new`, `${pki.deviceCertPem}${pki.caPem}# a remark\n${pki.deviceKeyPem}`)
    await upload()
    expect(tenant.trusted).toMatchObject([{ certInPemFormat: `${pki.deviceCertPem}${pki.caPem}` }])
  })

  it("signs requests and renewals like any key file", async () => {
    const own = makeDeviceCertificate(makeCa(pki.dir, "Own"), { cn: "dev" })
    writeFileSync(both, `${own.certPem}${own.keyPem}`)
    const before = read(both)
    const request = await device.tedge(["cert", "create-csr", "--device-id", "dev"])
    expect(request.code, request.stderr).toBe(0)
    expect(await checkedRequest(device.csrPath)).toContain("CN = dev")
    const renewed = await device.tedge(["cert", "renew", "--ca", "self-signed"])
    expect(renewed.stderr).toContain("is not self-signed")
    expect(read(both)).toBe(before)
  })

  it("is not written over by a renewal that finds it in the pending file", async () => {
    const own = join(dir, "own")
    const made = tedgeInProcess(own)
    await made.tedge(["cert", "create", "--device-id", "dev"])
    writeFileSync(both, read(made.certPath) + read(made.keyPath))
    writeFileSync(`${both}.new`, read(made.certPath) + read(made.keyPath))
    const refused = await device.tedge(["cert", "renew"])
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("A private key already exists")])
    expect(read(`${both}.new`)).toContain("PRIVATE KEY")
  })
})

describe("equal paths", () => {
  const linked = {
    "one path": () => useFiles(both, both),
    "a link to the other, which is not there yet": () => {
      symlinkSync("device.pem", join(dir, "etc/key.pem"))
      useFiles(both, join(dir, "etc/key.pem"))
    },
    "one directory under two names": () => {
      mkdirSync(join(dir, "etc/certs"))
      symlinkSync("certs", join(dir, "etc/other"))
      both = join(dir, "etc/certs/device.pem")
      useFiles(both, join(dir, "etc/other/device.pem"))
    },
    "a path with dots in it": () => useFiles(both, `${join(dir, "etc")}/./x/../device.pem`)
  }
  it.each(Object.keys(linked) as Array<keyof typeof linked>)("are refused by `cert create`: %s", async (how) => {
    linked[how]()
    const refused = await device.tedge(["cert", "create", "--device-id", "dev"])
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringMatching(/device\.key_path and device\.cert_path are the same file: .*\nhint: .*tedge config set/)
    ])
    expect(existsSync(both)).toBe(false)
  })

  it("of key and request are refused before a key is made", async () => {
    useFiles(join(dir, "cert.pem"), both)
    const refused = await device.tedge(["cert", "create-csr", "--device-id", "dev", "--output-path", both])
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringContaining("device.key_path and --output-path are the same file")
    ])
    expect(existsSync(both)).toBe(false)
  })

  it("are refused by `cert download` where it would make the key, and name the cloud's settings", async () => {
    useFiles(
      join(dir, "c.pem"),
      join(dir, "k.pem"),
      `c8y.device.cert_path = "${both}"\nc8y.device.key_path = "${both}"`
    )
    const words = ["cert", "download", "c8y", "--device-id", "dev", "-p", "secret-otp"]
    const refused = await device.tedge([...words, "--max-timeout", "5s"])
    expect(refused.stderr).toContain("c8y.device.key_path and c8y.device.cert_path are the same file")
    expect(existsSync(both)).toBe(false)
  })

  it("that are one file by a hard link are detected", async () => {
    writeFileSync(both, `${pki.deviceCertPem}${pki.deviceKeyPem}`)
    linkSync(both, join(dir, "etc/key.pem"))
    useFiles(both, join(dir, "etc/key.pem"))
    const refused = await device.tedge(["cert", "create", "--device-id", "dev"])
    expect(refused.stderr).toContain("A certificate already exists")
    expect(read(both)).toContain("PRIVATE KEY")
  })
})

describe("a TRUSTED CERTIFICATE", () => {
  const trusted = async (...options: ReadonlyArray<string>) =>
    (await mustRun("openssl", ["x509", "-in", pki.deviceCertFile, "-trustout", ...options])).stdout

  it("is shown, uploaded and kept like any certificate", async () => {
    const text = await trusted("-setalias", "device")
    expect(text).toContain("BEGIN TRUSTED CERTIFICATE")
    mkdirSync(dirname(both), { recursive: true })
    writeFileSync(both, text)
    const shown = await device.tedge(["cert", "show"])
    expect([shown.code, shown.stdout]).toEqual([0, expect.stringContaining("CN=")])
    await upload()
    expect(tenant.trusted).toMatchObject([{ certInPemFormat: pki.deviceCertPem }])
    const refused = await device.tedge(["cert", "create-csr", "--output-path", both, "--device-id", "dev"])
    expect(refused.stderr).toContain("A certificate already exists")
    expect(read(both)).toBe(text)
  })
})

describe("an empty --device-id", () => {
  it.each([["create"], ["create-csr"]])(
    "is refused by `cert %s`, not replaced by the settings' id",
    async (command) => {
      useFiles(both, join(dir, "k.pem"), 'device.id = "of-the-settings"')
      const refused = await device.tedge(["cert", command, "--device-id", ""])
      expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching(/^error: .*empty/)])
      expect(existsSync(join(dir, "k.pem"))).toBe(false)
    }
  )
})
