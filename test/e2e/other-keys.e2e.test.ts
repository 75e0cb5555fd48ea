/** The same connection with the key elsewhere: in a file, and in a token behind the signing service. */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { createDevice, type Device, eventually, executable, publishLocal } from "../support/device/device.ts"
import { makeTempDir, removeTempDir } from "../support/temp-dir.ts"

let dir: string
let device: Device
let server: ChildProcess | undefined

beforeAll(async () => {
  dir = makeTempDir()
  device = await createDevice({ dir, deviceId: "other-device" })
})

afterEach(async () => {
  await device.tedge(["disconnect", "c8y"])
})

afterAll(async () => {
  server?.kill("SIGKILL")
  await device?.close()
  removeTempDir(dir)
})

const set = async (settings: Readonly<Record<string, string>>) => {
  for (const [key, value] of Object.entries(settings))
    expect((await device.tedge(["config", "set", key, value])).code, key).toBe(0)
}

/** `shown`: what the summary says of the key. */
const expectConnection = async (shown: string, measurement: string, env = device.env) => {
  const { code, stderr } = await device.tedge(["connect", "c8y"], { env })
  expect([code, stderr.includes(shown)], stderr).toEqual([0, true])
  await publishLocal(device, "c8y/s/us", measurement)
  await device.cloud.waitFor(({ payload }) => payload === measurement, measurement)
}

describe("a device connects", () => {
  it("through the signing service, without seeing the token itself", async () => {
    const socketPath = join(dir, "signing.sock")
    const options = ["--socket-path", socketPath, "--module-path", device.token.modulePath]
    const env = { ...device.env, TEDGE_DEVICE_CRYPTOKI_PIN: device.token.pin }
    server = spawn(executable("tedge-p11-server"), options, { env, stdio: "ignore" })
    await eventually(() => existsSync(socketPath))
    await set({ "device.cryptoki.mode": "socket", "device.cryptoki.socket_path": socketPath })
    const { SOFTHSM2_CONF: _hidden, ...withoutToken } = device.env
    await expectConnection("provider: socket", "200,c8y_Socket,T,1", withoutToken)
    await device.tedge(["disconnect", "c8y"])
    server.kill("SIGTERM")
    expect(await once(server, "exit")).toEqual([0, null])
    expect(existsSync(socketPath)).toBe(false)
  })

  it("with its key in a file", async () => {
    const { key, certificate } = await device.ca.issueDeviceWithKey("file-device")
    await set({ "device.cryptoki.mode": "off", "device.key_path": key, "device.cert_path": certificate })
    await expectConnection("cryptoki: false", "200,c8y_File,T,1")
  })
})
