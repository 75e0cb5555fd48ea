/** The main job as the demo shows it: real token, real brokers, the executables a user starts. */
import { readdirSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import {
  createDevice,
  type Device,
  eventually,
  healthOf,
  processesOf,
  publishLocal,
  sendFromCloud,
  servicesOf
} from "../support/device/device.ts"
import { makeTempDir, removeTempDir } from "../support/temp-dir.ts"

const pin = "pin-4711-to-look-for"
let dir: string
let device: Device

beforeAll(async () => {
  dir = makeTempDir()
  device = await createDevice({ dir, deviceId: "e2e-device", pin })
})

afterAll(async () => {
  await device?.close()
  removeTempDir(dir)
})

/** The steps a transcript shows, each with its mark. */
const steps = (transcript: string): ReadonlyArray<string> =>
  transcript.split("\n").filter((line) => /\.\.\. [✓✗]$/.test(line))

const connectSteps = [
  "Creating device in Cumulocity cloud... ✓",
  "Waiting for mosquitto to be listening for connections... ✓",
  "Enabling tedge-mapper-c8y... ✓",
  "Verifying device is connected to cloud... ✓",
  "Checking Cumulocity is connected to intended tenant... ✓"
]

// One device, one life: each test finds the device as the one before left it.
describe("a device whose key is in a token", () => {
  it("refuses the connection test while it is not connected", async () => {
    const { code, stderr } = await device.tedge(["connect", "c8y", "--test"])
    expect(code).toBe(1)
    expect(stderr).toContain("error: ")
  })

  it("connects, step by step", async () => {
    const { code, stdout, stderr } = await device.tedge(["connect", "c8y"])
    expect(steps(stderr), stderr).toEqual(connectSteps)
    expect(stderr).toContain("device id: e2e-device")
    expect(stderr).toContain("cryptoki: true")
    expect([code, stdout]).toEqual([0, ""])
    expect(device.cloud.devices).toEqual(["e2e-device"])
  })

  it("says that mapper and bridge are up", async () => {
    expect(await healthOf(device, "tedge-mapper-c8y")).toMatchObject({ status: "up" })
    expect(await healthOf(device, "tedge-mapper-bridge-c8y")).toMatchObject({ status: "up" })
  })

  it("forwards a measurement to the cloud", async () => {
    await publishLocal(device, "c8y/s/us", "200,c8y_Temperature,T,25")
    const seen = await device.cloud.waitFor(({ payload }) => payload === "200,c8y_Temperature,T,25")
    expect(seen).toMatchObject({ topic: "s/us", qos: 1 })
  })

  it("forwards an operation to the device", async () => {
    expect(await sendFromCloud(device, "s/ds", "510,e2e-device")).toBe("510,e2e-device")
  })

  it("passes the connection test", async () => {
    const { code, stderr } = await device.tedge(["connect", "c8y", "--test"])
    expect([code, stderr.includes("Connection check to c8y cloud is successful.")], stderr).toEqual([0, true])
  })

  it("passes two connection tests at once: neither takes the other's client id", async () => {
    const both = await Promise.all([1, 2].map(() => device.tedge(["connect", "c8y", "--test"])))
    expect(both.map(({ code }) => code)).toEqual([0, 0])
  })

  it("lets mosquitto, which is another user, read its files", () => {
    const modes = ["tedge-mosquitto.conf", "c8y-bridge.conf"].map(
      (name) => statSync(join(device.configDir, "mosquitto-conf", name)).mode & 0o777
    )
    expect(modes).toEqual([0o644, 0o644])
  })

  it("is not connected a second time", async () => {
    const { code, stderr } = await device.tedge(["connect", "c8y"])
    expect([code, steps(stderr)]).toEqual([1, []])
    expect(stderr).toContain("tedge disconnect c8y")
  })

  it("reconnects", async () => {
    const { code, stderr } = await device.tedge(["reconnect", "c8y"])
    expect(stderr).toContain("Disconnecting from Cumulocity")
    expect(steps(stderr), stderr).toEqual([
      "Removing bridge config file... ✓",
      "Disabling tedge-mapper-c8y... ✓",
      ...connectSteps
    ])
    expect(code).toBe(0)
    await publishLocal(device, "c8y/s/us", "200,c8y_Temperature,T,26")
    await device.cloud.waitFor(({ payload }) => payload === "200,c8y_Temperature,T,26")
  })

  it("shows its PIN nowhere: not in arguments, environments, logs or messages", () => {
    for (const { pid } of processesOf(dir))
      for (const file of ["cmdline", "environ"]) expect(readFileSync(`/proc/${pid}/${file}`, "utf8")).not.toContain(pin)
    const files = filesBelow(dir).filter((path) => path !== join(device.configDir, "secrets.toml"))
    expect(files.filter((path) => readFileSync(path).includes(pin))).toEqual([])
    expect(device.cloud.log() + device.broker.log()).not.toContain(pin)
  })

  it("keeps the file that holds the PIN from others", () => {
    expect(statSync(join(device.configDir, "secrets.toml")).mode & 0o007).toBe(0)
  })

  it("disconnects and leaves nothing running", async () => {
    const { code, stderr } = await device.tedge(["disconnect", "c8y"])
    expect(steps(stderr), stderr).toEqual(["Removing bridge config file... ✓", "Disabling tedge-mapper-c8y... ✓"])
    expect(code).toBe(0)
    await eventually(() => servicesOf(device).length === 0)
  })

  it("is disconnected a second time without harm", async () => {
    expect((await device.tedge(["disconnect", "c8y"])).code).toBe(0)
  })

  it("is connected by one of two commands at once; the other one touches nothing", async () => {
    const both = await Promise.all([1, 2].map(() => device.tedge(["connect", "c8y"])))
    expect(both.map(({ code }) => code).toSorted()).toEqual([0, 1])
    const refused = both.find(({ code }) => code === 1)
    expect(refused?.stderr).toMatch(/^error: (another tedge connect, .* is running|Connection is already established)/m)
    expect(steps(refused?.stderr ?? "")).toEqual([])
    expect((await device.tedge(["connect", "c8y", "--test"])).code).toBe(0)
    await device.tedge(["disconnect", "c8y"])
  })
})

/** Regular files; sockets and the like hold nothing to read. */
const filesBelow = (folder: string): ReadonlyArray<string> =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
