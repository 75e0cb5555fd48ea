/** What the settings of a cloud make of its mapper: names, logins, wills, rules. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { Effect, Redacted } from "effect"
import { describe, expect, it } from "vitest"
import type { CloudName } from "../../../../src/messages/connect.ts"
import { planFrom } from "../../../support/device/mapper.ts"
import { tempDir } from "../../../support/temp-dir.ts"

const device = `[device]
id = "dev01"
cert_path = "/none"
`

const plan = (toml: string, cloud: CloudName = "c8y", dir = tempDir()) =>
  Effect.runPromise(planFrom(dir, device + toml, cloud))

const c8y = `[c8y]
url = "tenant.example"
`

describe("the plan of a mapper for Cumulocity", () => {
  it("has the names and wills thin-edge has", async () => {
    const { localLink, serviceLink, cloudLink } = await plan(c8y)
    expect(localLink.target).toMatchObject({
      host: "127.0.0.1",
      port: 1883,
      clientId: "tedge-mapper-bridge-c8y",
      cleanSession: false,
      will: { topic: "te/device/main/service/tedge-mapper-bridge-c8y/status/health", qos: 1, retain: true }
    })
    expect(serviceLink.target).toMatchObject({
      clientId: "tedge-mapper-c8y",
      will: { topic: "te/device/main/service/tedge-mapper-c8y/status/health", qos: 1, retain: true }
    })
    expect(cloudLink.target).toMatchObject({
      host: "tenant.example",
      port: 8883,
      clientId: "dev01",
      cleanSession: true,
      keepalive: 60,
      connectWithinMs: 60_000,
      will: { topic: "s/us", qos: 1, retain: false },
      tls: { identity: { kind: "keyFile" } }
    })
  })

  it("follows the topic prefix, the keep-alive, the payload limit and the back-off of the settings", async () => {
    const { localLink, cloudLink, bridge } = await plan(`${c8y}
[c8y.bridge]
topic_prefix = "c8y-prod"
keepalive_interval = "30s"
[c8y.mapper.mqtt]
max_payload_size = 1000
[mqtt.bridge.reconnect_policy]
initial_interval = "30s"
maximum_interval = "2m"
reset_window = "10m"
`)
    expect(localLink.target.clientId).toBe("tedge-mapper-bridge-c8y-prod")
    expect(localLink.filters).toContain("c8y-prod/s/us/#")
    expect(cloudLink.target.keepalive).toBe(30)
    expect(bridge.maxPayloadSize).toBe(1000)
    expect(bridge.maxPayloadSetting).toBe("c8y.mapper.mqtt.max_payload_size")
    expect(cloudLink.backOff).toEqual({ initialMs: 30_000, maximumMs: 120_000, resetAfterMs: 600_000 })
    expect(localLink.backOff.maximumMs).toBeLessThanOrEqual(15_000)
  })

  it("rounds a keep-alive up to whole seconds, and refuses one that MQTT cannot say", async () => {
    const keepalive = async (value: string) =>
      (await plan(`${c8y}[c8y.bridge]\nkeepalive_interval = "${value}"\n`)).cloudLink.target.keepalive
    expect(await keepalive("1100ms")).toBe(2)
    expect(await keepalive("0")).toBe(0)
    await expect(keepalive("2d")).rejects.toMatchObject({ _tag: "InvalidSetting" })
    const azure = `[az]\nurl = "a.example"\n[az.bridge]\nkeepalive_interval = "1767s"\n`
    expect((await plan(azure, "az")).cloudLink.target.keepalive).toBe(1177)
  })

  it("has the token sign when a token is configured", async () => {
    const { cloudLink } = await plan(`key_uri = "pkcs11:object=device"\n[device.cryptoki]\nmode = "socket"\n${c8y}`)
    expect(cloudLink.target.tls?.identity).toMatchObject({ kind: "token", certPath: "/none" })
  })

  it("logs in with user and password when that is the method, and keeps the password to itself", async () => {
    const dir = tempDir()
    writeFileSync(join(dir, "credentials.toml"), '[c8y]\nusername = "t1/device_dev01"\npassword = "s3cret"\n')
    const { cloudLink, bridge } = await plan(`${c8y}auth_method = "basic"\n`, "c8y", dir)
    expect(cloudLink.target).toMatchObject({ username: "t1/device_dev01", tls: { identity: { kind: "none" } } })
    expect(JSON.stringify(cloudLink)).not.toContain("s3cret")
    expect(bridge.rules.map(({ filter }) => filter)).not.toContain("s/dat")
  })

  it("moves to the MQTT Service and its topics when that is enabled", async () => {
    const { cloudLink, bridge } = await plan(`${c8y}[c8y.mqtt_service]\nenabled = true\ntopics = ["plant/alarms"]\n`)
    expect(cloudLink.target.port).toBe(9883)
    expect(cloudLink.filters).toContain("plant/alarms")
    expect(bridge.rules).toContainEqual({
      direction: "outbound",
      filter: "c8y/mqtt/out/#",
      strip: "c8y/mqtt/out/",
      add: ""
    })
  })

  it("goes through the proxy of the settings", async () => {
    const { cloudLink, localLink } = await plan(`${c8y}[proxy]\naddress = "http://proxy.example:3128"\n`)
    expect(cloudLink.target.proxy?.url).toMatch(/^http:\/\/proxy\.example:3128\/?$/)
    expect(localLink.target.proxy).toBeUndefined()
  })

  it("is refused without a URL, and without the built-in bridge", async () => {
    const refusal = (toml: string) => Effect.runPromise(Effect.flip(planFrom(tempDir(), device + toml)))
    expect(await refusal("")).toMatchObject({ _tag: "SettingMissing", key: "c8y.url" })
    expect(await refusal(`${c8y}[mqtt.bridge]\nbuilt_in = false\n`)).toMatchObject({ _tag: "MosquittoBridgeRequested" })
  })
})

describe("the plan of a mapper for another cloud", () => {
  it("logs in to Azure as it wants, with a persistent session", async () => {
    const { cloudLink } = await plan('[az]\nurl = "hub.azure-devices.net"\n', "az")
    expect(cloudLink.target).toMatchObject({
      port: 8883,
      cleanSession: false,
      username: "hub.azure-devices.net/dev01/?api-version=2018-06-30"
    })
    expect(cloudLink.target.password && Redacted.value(cloudLink.target.password)).toBe("")
    expect(cloudLink.target.will).toBeUndefined()
    expect(cloudLink.filters).toContain("$iothub/twin/res/#")
  })

  it("says nothing of its own to AWS", async () => {
    const { cloudLink } = await plan('[aws]\nurl = "x-ats.iot.eu.amazonaws.com"\n', "aws")
    expect(cloudLink.target.will).toBeUndefined()
    expect(cloudLink.onConnect).toEqual([])
    expect(cloudLink.target.cleanSession).toBe(false)
    expect(cloudLink.filters).toContain("$aws/things/dev01/shadow/#")
  })
})
