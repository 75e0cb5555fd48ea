/** What the token is asked by whole commands and services, counted by a module that writes its calls down. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { createDevice, type Device, eventually, healthOf } from "../support/device/device.ts"
import { makeTempDir, removeTempDir } from "../support/temp-dir.ts"
import { type ScriptedModule, scriptedModule } from "../support/token/scripted-module.ts"

let dir: string
let device: Device
let module: ScriptedModule

beforeAll(async () => {
  dir = makeTempDir()
  device = await createDevice({ dir, deviceId: "counted-device" })
  module = scriptedModule(device.token.modulePath)
  await device.tedge(["config", "set", "device.cryptoki.module_path", module.modulePath])
})

afterAll(async () => {
  await device?.close()
  module?.cleanup()
  removeTempDir(dir)
})

const connect = () => device.tedge(["connect", "c8y"])

const usePin = (pin: string) => device.tedge(["config", "set", "device.cryptoki.pin", pin])

/** Connections that came through TLS as far as CONNECT. */
const cloudConnections = (): number =>
  device.cloud
    .log()
    .split("\n")
    .filter((line) => / New client connected .* as counted-device /.test(line)).length

describe("the token", () => {
  it("is asked for one signature per connection to the cloud", async () => {
    const before = cloudConnections()
    expect((await connect()).code).toBe(0)
    await eventually(async () => (await healthOf(device, "tedge-mapper-bridge-c8y"))?.status === "up")
    expect(module.calls("C_Sign")).toBe(cloudConnections() - before)
    expect((await device.tedge(["disconnect", "c8y"])).code).toBe(0)
  })

  it("has its module loaded once by connect and reconnect, and once by the mapper", async () => {
    // What is done for tokens in files alone is not done for a card.
    module.setToken("*", { manufacturer: "Card maker" })
    await device.tedge(["config", "set", "device.key_uri", "pkcs11:token=my-token;object=my-key"])
    for (const command of ["connect", "reconnect"]) {
      const before = module.calls("C_Initialize")
      const done = await device.tedge([command, "c8y"])
      expect(done.code, done.stderr).toBe(0)
      expect(module.calls("C_Initialize") - before, command).toBe(2)
    }
    const before = module.calls("C_Initialize")
    expect((await device.tedge(["connect", "c8y", "--test"])).code).toBe(0)
    expect(module.calls("C_Initialize") - before).toBe(0)
    expect((await device.tedge(["disconnect", "c8y"])).code).toBe(0)
  })

  it("is asked once with a wrong PIN, however often the user tries", async () => {
    await usePin("000000")
    const before = module.calls("C_Login")
    const tries = [await connect(), await connect(), await device.tedge(["reconnect", "c8y"])]
    expect(tries.map(({ code }) => code)).toEqual([1, 1, 1])
    expect(module.calls("C_Login") - before).toBe(1)
  })

  it("is asked once with each PIN the user sets instead", async () => {
    const before = module.calls("C_Login")
    for (const pin of ["000001", "000002"]) {
      await usePin(pin)
      expect([(await connect()).code, (await connect()).code]).toEqual([1, 1])
    }
    expect(module.calls("C_Login") - before).toBe(2)
  })

  it("opens with the right PIN as soon as that is set", async () => {
    await usePin(device.token.pin)
    expect((await connect()).code).toBe(0)
  })
})
