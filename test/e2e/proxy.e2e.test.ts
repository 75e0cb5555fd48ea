/** A device that reaches the cloud through an HTTP proxy only, with its key in a token: `connect` and the mapper. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { createDevice, type Device, publishLocal } from "../support/device/device.ts"
import { makeTempDir, removeTempDir } from "../support/temp-dir.ts"
import { type ConnectProxy, startConnectProxy } from "../support/tls/connect-proxy.ts"

/** No listener is there; the proxy leads it to the cloud. */
const address = "localhost:1"

let dir: string
let device: Device
let proxy: ConnectProxy

beforeAll(async () => {
  dir = makeTempDir()
  device = await createDevice({ dir, deviceId: "proxied", pin: "123456" })
  proxy = await startConnectProxy({ login: "me:s3cret-word", hosts: { [address]: device.cloud.address } })
  for (const [key, value] of [
    ["c8y.mqtt", address],
    ["proxy.address", proxy.url],
    ["proxy.username", "me"],
    ["proxy.password", "s3cret-word"]
  ] as const)
    expect((await device.tedge(["config", "set", key, value])).code).toBe(0)
})

afterAll(async () => {
  await device?.close()
  await proxy?.close()
  removeTempDir(dir)
})

describe("through a proxy", () => {
  it("the device is created and the mapper connects; the transcript hides the password", async () => {
    const { code, stderr } = await device.tedge(["connect", "c8y"])
    expect(code, stderr).toBe(0)
    expect(stderr).toContain("Verifying device is connected to cloud... ✓")
    expect(stderr).toContain(`proxy: ${proxy.url.replace("://", "://me:******@")}`)
    expect(stderr).not.toContain("s3cret-word")
    expect(new Set(proxy.asked)).toEqual(new Set([address]))
    await publishLocal(device, "c8y/s/us", "211,21")
    expect(device.cloud.devices).toEqual(["proxied"])
  })

  it("a proxy that refuses the login is reported, with the setting to check", async () => {
    await device.tedge(["disconnect", "c8y"])
    await device.tedge(["config", "set", "proxy.password", "wr0ng-word"])
    const { code, stderr } = await device.tedge(["connect", "c8y"])
    expect(code).toBe(1)
    expect(stderr).toContain(`cannot be reached through the proxy (${proxy.url}: 407 Proxy Authentication Required)`)
    expect(stderr).toContain("hint: check: tedge config list proxy")
    expect(stderr).not.toContain("wr0ng-word")
  })
})
