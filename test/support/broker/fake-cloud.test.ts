/** The fake cloud refuses and answers as Cumulocity does; asked by mosquitto's own clients, not by our code. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { connect, type SecureVersion } from "node:tls"
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest"
import { run } from "../../../scripts/lib/run.mjs"
import { makeTempDir, removeTempDir } from "../temp-dir.ts"
import { createTestCa, type FakeCloud, type KeyAndCertificate, startCloudWithCa, type TestCa } from "./fake-cloud.ts"

let dir: string
let ca: TestCa
let cloud: FakeCloud
let device: KeyAndCertificate

beforeAll(async () => {
  dir = makeTempDir()
  ;({ ca, cloud } = await startCloudWithCa(dir))
  device = await ca.issueDeviceWithKey("dev01")
})

afterAll(async () => {
  await cloud.close()
  removeTempDir(dir)
})

const tls = (identity: KeyAndCertificate) => [
  ...["-h", cloud.host, "-p", String(cloud.port), "--cafile", cloud.caFile, "-q", "1"],
  ...["--cert", identity.certificate, "--key", identity.key]
]

const request = (topic: string, payload: string, answerTopic: string) =>
  run("mosquitto_rr", [...tls(device), "-i", "dev01", "-t", topic, "-m", payload, "-e", answerTopic, "-W", "60"])

const publish = (topic: string, payload: string) =>
  run("mosquitto_pub", [...tls(device), "-i", "dev01", "-t", topic, "-m", payload], { timeoutMs: 60_000 })

/** What Node's own TLS is told by the cloud. */
const refusal = (identity: KeyAndCertificate | undefined, maxVersion: SecureVersion = "TLSv1.3") =>
  new Promise<string | undefined>((resolve) => {
    const files = identity && { cert: readFileSync(identity.certificate), key: readFileSync(identity.key) }
    const socket = connect({ host: cloud.host, port: cloud.port, ca: readFileSync(cloud.caFile), maxVersion, ...files })
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code))
    socket.once("close", () => resolve(undefined))
    socket.resume()
  })

describe("fake cloud", () => {
  it("creates a device once and says so the second time", async () => {
    await publish("s/us", "100,dev01,thin-edge.io")
    await cloud.waitFor(({ payload }) => payload === "100,dev01,thin-edge.io")
    expect(cloud.devices).toEqual(["dev01"])
    expect((await request("s/us", "100,dev01,thin-edge.io", "s/e")).stdout).toBe("41,100,Device already existing\n")
  })

  it("answers a template it does not know with an error", async () => {
    expect((await request("s/us", "abc,1", "s/e")).stdout).toBe("40,abc,No static template for this message id\n")
  })

  it("answers s/uat with a token issued by its host", async () => {
    const { stdout } = await request("s/uat", "", "s/dat")
    expect(stdout).toMatch(/^71,/)
    expect(JSON.parse(Buffer.from(stdout.split(".")[1] ?? "", "base64url").toString())).toMatchObject({
      iss: "localhost"
    })
  })

  it("names another tenant if configured", async () => {
    cloud.behave({ issuer: "other.example.com" })
    const { stdout } = await request("s/uat", "", "s/dat")
    cloud.behave({ issuer: "localhost" })
    expect(Buffer.from(stdout.split(".")[1] ?? "", "base64url").toString()).toContain("other.example.com")
  })

  it("stays silent if configured", async () => {
    cloud.behave({ answersToken: false })
    const args = [...tls(device), "-i", "dev01", "-t", "s/uat", "-m", "", "-e", "s/dat", "-W", "1"]
    const { code, stdout } = await run("mosquitto_rr", args)
    cloud.behave({ answersToken: true })
    expect([code, stdout]).toEqual([27, ""])
  })

  it("sends to the device", async () => {
    const received = run("mosquitto_sub", [...tls(device), "-i", "dev01", "-t", "s/ds", "-C", "1", "-W", "60"])
    await vi.waitUntil(() => /dev01 \d+ s\/ds|s\/ds \(QoS/.test(cloud.log()), { timeout: 30_000 })
    await cloud.publish("s/ds", "510,dev01")
    expect((await received).stdout).toBe("510,dev01\n")
  })

  it("refuses a client without certificate, one of a foreign authority, and TLS 1.2", async () => {
    const foreign = await (await createTestCa(join(dir, "foreign"), "Foreign CA")).issueDeviceWithKey("dev01")
    expect(await refusal(undefined)).toBe("ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED")
    expect(await refusal(foreign)).toBe("ERR_SSL_TLSV1_ALERT_UNKNOWN_CA")
    expect(await refusal(device, "TLSv1.2")).toBe("ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION")
  })

  it("closes its port and comes back on the same one, with its responder", async () => {
    await cloud.stopBroker("SIGKILL")
    expect((await publish("s/us", "400,down")).code).not.toBe(0)
    await cloud.startBroker()
    await publish("s/us", "400,up")
    expect((await cloud.waitFor(({ payload }) => payload === "400,up")).topic).toBe("s/us")
  })
})
