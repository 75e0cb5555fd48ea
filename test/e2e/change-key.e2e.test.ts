/**
 * Changing the key of a device that is connected, as docs/keys-and-certificates.md says it: both keys live until the
 * cloud has taken the new one.
 */
import { X509Certificate } from "node:crypto"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { createTestCa, type TestCa } from "../../scripts/lib/device/test-ca.mjs"
import { mustRun } from "../../scripts/lib/run.mjs"
import { createDevice, type Device, healthOf } from "../support/device/device.ts"
import { makeTempDir, removeTempDir } from "../support/temp-dir.ts"

let dir: string
let device: Device

beforeAll(async () => {
  dir = makeTempDir()
  device = await createDevice({ dir, deviceId: "changing", pin: "123456" })
  expect((await device.tedge(["connect", "c8y"])).code).toBe(0)
})
afterAll(async () => {
  await device.close()
  removeTempDir(dir)
})

const get = async (key: string) => (await device.tedge(["config", "get", key])).stdout.trim()
const keyOf = (path: string) =>
  new X509Certificate(readFileSync(path)).publicKey.export({ type: "spki", format: "der" }).toString("base64")
const isUp = async () => (await healthOf(device, "tedge-mapper-bridge-c8y"))?.status === "up"
const labels = async (): Promise<ReadonlyArray<string>> =>
  JSON.parse((await device.tedge(["hsm", "list-keys", "--json"])).stdout)
    .filter((key: { class: string }) => key.class === "private")
    .map((key: { label: string }) => key.label)

/** Puts the certificate that `ca` issues for the request beside the present one. */
const certify = async (ca: Pick<TestCa, "issueDevice">) => {
  const certPath = await get("device.cert_path")
  const publicKey = join(dir, "request.pub")
  writeFileSync(
    publicKey,
    (await mustRun("openssl", ["req", "-in", await get("device.csr_path"), "-noout", "-pubkey"])).stdout
  )
  writeFileSync(`${certPath}.new`, readFileSync(await ca.issueDevice("changing", publicKey)))
  return certPath
}

let oldKey: string

// One device, one life: each test finds the device as the one before left it.
describe("changing the key", () => {
  it("a new key is made and named; the device goes on connecting with the old one, also after a restart", async () => {
    oldKey = keyOf(await get("device.cert_path"))
    const made = await device.tedge(["hsm", "create-key", "--label", "second"])
    expect(made.code, made.stderr).toBe(0)
    expect(await get("device.key_uri")).toContain("object=second")
    const again = await device.tedge(["reconnect", "c8y"])
    expect(again.code, again.stderr).toBe(0)
    expect(await isUp()).toBe(true)
  })

  it("the request is for the new key", async () => {
    const done = await device.tedge(["cert", "create-csr"])
    expect(done.code, done.stderr).toBe(0)
    const { stdout } = await mustRun("openssl", ["req", "-in", await get("device.csr_path"), "-noout", "-pubkey"])
    expect(stdout.replace(/-----[^-]*-----|\s/g, "")).not.toBe(oldKey)
  })

  it("a cloud that refuses the new certificate leaves the old pair in use", async () => {
    const certPath = await certify(await createTestCa(join(dir, "foreign"), "Foreign CA"))
    const done = await device.tedge(["reconnect", "c8y"], { timeoutMs: 200_000 })
    expect([done.code, keyOf(certPath)], done.stderr).toEqual([3, oldKey])
    expect(await isUp()).toBe(true)
  })

  it("a new certificate that the cloud takes is switched to, and only then the old key can go", async () => {
    const certPath = await certify(device.ca)
    const done = await device.tedge(["reconnect", "c8y"])
    expect(done.code, done.stderr).toBe(0)
    expect(keyOf(certPath)).not.toBe(oldKey)
    expect(await isUp()).toBe(true)
    const [old = ""] = (await labels()).filter((label) => label !== "second")
    expect(await labels()).toHaveLength(2)
    const deleted = await device.tedge(["hsm", "delete-key", "--label", old, "--force"])
    expect([deleted.code, deleted.stderr.includes("it is the key of the certificate")], deleted.stderr).toEqual([
      0,
      false
    ])
    expect((await device.tedge(["reconnect", "c8y"])).code).toBe(0)
    expect(await isUp()).toBe(true)
  })
})
