/** What a device does when something is missing, dead or wrong: a sentence, nothing half done, and the local side lives. */

import { existsSync, renameSync } from "node:fs"
import { join } from "node:path"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { createTestCa } from "../support/broker/fake-cloud.ts"
import {
  createDevice,
  type Device,
  eventually,
  healthOf,
  nextLocal,
  publishLocal,
  servicesOf
} from "../support/device/device.ts"
import { signal } from "../support/signal.ts"
import { makeTempDir, removeTempDir } from "../support/temp-dir.ts"

let dir: string
let device: Device

beforeAll(async () => {
  dir = makeTempDir()
  device = await createDevice({ dir, deviceId: "fragile-device" })
})

afterEach(async () => {
  await device.tedge(["disconnect", "c8y"])
})

afterAll(async () => {
  await device?.close()
  removeTempDir(dir)
})

const marker = () => join(device.configDir, "mosquitto-conf", "c8y-bridge.conf")

const connect = () => device.tedge(["connect", "c8y"])

const expectNothingLeft = async () => {
  expect(existsSync(marker())).toBe(false)
  await eventually(() => servicesOf(device).length === 0)
}

const expectToArrive = async (payload: string) => {
  await publishLocal(device, "c8y/s/us", payload)
  await device.cloud.waitFor((message) => message.payload === payload, payload, 30_000)
}

describe("a connect that cannot succeed", () => {
  it("says that the token is missing", async () => {
    const tokens = join(dir, "softhsm", "tokens")
    renameSync(tokens, `${tokens}.away`)
    const { code, stderr } = await connect()
    renameSync(`${tokens}.away`, tokens)
    expect(code).toBe(1)
    expect(stderr).toMatch(/error: .*token/i)
    await expectNothingLeft()
  })

  it("says that the cloud does not answer", async () => {
    await device.cloud.stopBroker()
    const { code, stderr } = await connect()
    await device.cloud.startBroker()
    expect(code).toBe(1)
    expect(stderr).toContain("Creating device in Cumulocity cloud... ✗\nerror: ")
    await expectNothingLeft()
  })

  it("says that the cloud does not accept the certificate", async () => {
    const foreign = await createTestCa(join(dir, "foreign"), "Foreign CA")
    await device.cloud.trustOnly(foreign.certificate)
    const { code, stderr } = await connect()
    await device.cloud.trustOnly(device.ca.certificate)
    expect(code).toBe(1)
    // Without any distance to the cloud its reset can overtake its alert.
    expect(stderr).toMatch(/error: .*(did not recognise the device certificate|closed the connection)/)
    await expectNothingLeft()
  })

  it("says that the PIN is wrong, and connects with the right one", async () => {
    await device.tedge(["config", "set", "device.cryptoki.pin", "000000"])
    const { code, stderr } = await connect()
    expect([code, stderr.includes("The specified PIN is incorrect")], stderr).toEqual([1, true])
    expect(stderr).not.toContain("000000")
    await expectNothingLeft()
    await device.tedge(["config", "set", "device.cryptoki.pin", device.token.pin])
    expect((await connect()).code).toBe(0)
  })
})

describe("a connected device", () => {
  it("keeps its local side while the cloud is dead, and delivers what was waiting", async () => {
    expect((await connect()).code).toBe(0)
    await device.cloud.stopBroker("SIGKILL")
    await eventually(async () => (await healthOf(device, "tedge-mapper-bridge-c8y"))?.status === "down")
    const listening = nextLocal(device, "local/topic")
    await eventually(() => device.broker.log().includes("local/topic (QoS 1)"))
    await publishLocal(device, "local/topic", "still here")
    expect(await listening).toBe("still here")
    await publishLocal(device, "c8y/s/us", "200,c8y_Waiting,T,1")
    await device.cloud.startBroker()
    await device.cloud.waitFor(({ payload }) => payload === "200,c8y_Waiting,T,1", "the message that waited", 40_000)
    await eventually(async () => (await healthOf(device, "tedge-mapper-bridge-c8y"))?.status === "up")
  })

  it("gets its mapper back when that is killed", async () => {
    expect((await connect()).code).toBe(0)
    const before = Number((await healthOf(device, "tedge-mapper-c8y"))?.pid)
    signal(before, "SIGKILL")
    await eventually(async () => {
      const health = await healthOf(device, "tedge-mapper-c8y")
      return health?.status === "up" && health.pid !== before
    }, 30_000)
    await expectToArrive("200,c8y_Restarted,T,1")
  })

  it("works again by itself when its token was away", async () => {
    expect((await connect()).code).toBe(0)
    const tokens = join(dir, "softhsm", "tokens")
    renameSync(tokens, `${tokens}.away`)
    await device.cloud.stopBroker()
    await device.cloud.startBroker()
    await eventually(async () => (await healthOf(device, "tedge-mapper-bridge-c8y"))?.status === "down")
    renameSync(`${tokens}.away`, tokens)
    await expectToArrive("200,c8y_TokenBack,T,1")
  })
})
