/** `tedge hsm doctor` on a device that is offline is never all ✓, and says where it is; `--json` and the exit code too. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { createDevice, type Device, eventually, healthOf, servicesOf } from "../support/device/device.ts"
import { askDoctor } from "../support/device/doctor.ts"
import { makeTempDir, removeTempDir } from "../support/temp-dir.ts"
import { testPki } from "../support/tls/pki.ts"

let dir: string
let device: Device

beforeAll(async () => {
  dir = makeTempDir()
  device = await createDevice({ dir, deviceId: "doctor-device", pin: "123456" })
})
afterAll(async () => {
  await device.close()
  removeTempDir(dir)
})

const doctor = async () => {
  const { code, checks } = await askDoctor(device)
  return {
    code,
    failed: checks.filter(({ ok }) => !ok),
    named: (name: string) => checks.find((one) => one.name === name)
  }
}
const mapper = () => servicesOf(device).find(({ command }) => command.includes("bin/tedge-mapper"))

// One device, one life: each test finds the device as the one before left it.
describe("the doctor", () => {
  it("connects itself where no mapper runs, and still says that none does", async () => {
    const { code, failed, named } = await doctor()
    expect([code, failed.map(({ name }) => name)]).toEqual([1, ["mapper"]])
    expect(named("mapper")).toMatchObject({ detail: "tedge-mapper-c8y does not run", hint: "tedge connect c8y" })
    expect(named("connection to the cloud")?.detail).toContain("the cloud accepts the device 'doctor-device'")
    expect(named("login and key")?.detail).toContain("pkcs11:")
  })

  it("shows the certificate to the cloud, which may not trust it", async () => {
    const other = testPki()
    await device.cloud.trustOnly(other.caFile)
    const { code, failed } = await doctor()
    await device.cloud.trustOnly(device.ca.certificate)
    other.remove()
    expect([code, failed.map(({ name }) => name)]).toEqual([1, ["mapper", "connection to the cloud"]])
    expect(failed[1]?.detail).toMatch(/certificate/)
    expect(failed[1]?.hint).toEqual(expect.any(String))
  })

  it("is all ✓ when connected, asks the mapper, and does not disturb its connection", async () => {
    const connected = await device.tedge(["connect", "c8y"])
    expect(connected.code, connected.stderr).toBe(0)
    const { code, failed, named } = await doctor()
    expect([code, failed]).toEqual([0, []])
    expect(named("connection to the cloud")?.detail).toBe("the cloud answers over the connection of tedge-mapper-c8y")
    const text = await device.tedge(["hsm", "doctor", "c8y"])
    expect([text.code, text.stdout.includes("✗")]).toEqual([0, false])
    expect(await healthOf(device, "tedge-mapper-bridge-c8y")).toMatchObject({ status: "up" })
  })

  it("reports a PIN that was refused at reconnect, and does not retry it", async () => {
    await device.tedge(["config", "set", "device.cryptoki.pin", "999999"])
    await device.tedge(["reconnect", "c8y"], { timeoutMs: 60_000 })
    const { code, failed } = await doctor()
    expect(code).toBe(1)
    expect(failed.find(({ name }) => name === "login and key")).toMatchObject({
      detail: expect.stringContaining("was not tried again"),
      hint: expect.stringContaining("tedge hsm clear-pin-latch")
    })
    await device.tedge(["config", "set", "device.cryptoki.pin", "123456"])
    const again = await device.tedge(["reconnect", "c8y"])
    expect(again.code, again.stderr).toBe(0)
    expect((await doctor()).failed).toEqual([])
  })

  it("names a mapper that is connected to nothing: the cloud is away", async () => {
    await device.tedge(["config", "set", "c8y.mqtt", "localhost:1"])
    await device.tedge(["reconnect", "c8y"], { timeoutMs: 200_000 })
    const { code, failed } = await doctor()
    expect(code).toBe(1)
    expect(failed.map(({ name }) => name)).toContain("cloud is reachable and trusted")
    await device.tedge(["config", "set", "c8y.mqtt", `localhost:${device.cloud.port}`])
  })

  it("names the local broker that is down", async () => {
    await device.broker.stop()
    const { code, failed } = await doctor()
    expect([code, failed.find(({ name }) => name === "local broker")?.detail]).toEqual([
      1,
      expect.stringContaining("connection refused")
    ])
  })

  it("names a mapper that was killed", async () => {
    await device.tedge(["disconnect", "c8y"])
    await eventually(() => mapper() === undefined)
    expect((await doctor()).failed.map(({ name }) => name)).toEqual(["local broker", "mapper"])
  })
})
