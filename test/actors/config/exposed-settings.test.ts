/** What a mapper publishes of its settings: its own, typed, without secrets. */
import { describe, expect, it } from "vitest"
import { thinEdgeSettings } from "../../../src/messages/settings/settings-table.ts"
import { configBench, version2, within } from "./config-bench.ts"

const { toml, answer } = configBench()

const exposed = async (cloud: "c8y" | "az" | "aws", profile: string | null = null) =>
  (await answer((config) => config.ask("ReadCloudSettings", { cloud, profile }, within))).settings.cloud.exposed

describe("the exposed settings", () => {
  it("have the type they have in the file, defaults too; what is not set is left out", async () => {
    toml(version2('[device]\nid = "dev01"\n[c8y]\nurl = "t.example"\nsmartrest.templates = ["b", "a"]\n'))
    const values = await exposed("c8y")
    expect(values).toMatchObject({
      url: "t.example",
      http: "t.example:443",
      mqtt: "t.example:8883",
      auth_method: "certificate",
      "device.id": "dev01",
      "bridge.topic_prefix": "c8y",
      "enable.log_upload": true,
      "mapper.mqtt.max_payload_size": 16184,
      "proxy.client.port": 8001,
      "smartrest.templates": ["b", "a"],
      "smartrest1.templates": [],
      "mqtt_service.enabled": false
    })
    expect(Object.keys(await exposed("az"))).toEqual([
      "topics",
      "device.id",
      "mapper.mqtt.max_payload_size",
      "bridge.topic_prefix"
    ])
  })

  it("are those of the profile", async () => {
    toml(
      version2('[c8y]\nurl = "t.example"\n[c8y.profiles.edge]\nurl = "e.example"\nbridge.topic_prefix = "c8y-edge"\n')
    )
    expect(await exposed("c8y", "edge")).toMatchObject({ url: "e.example", "bridge.topic_prefix": "c8y-edge" })
  })

  it("have no secret, no path and no URI of a key among them", async () => {
    expect(
      thinEdgeSettings.filter(
        ({ key, secret, exposed }) => exposed && (secret || /_(pin|path|uri)$|password|username/.test(key))
      )
    ).toEqual([])
    toml(version2('[c8y]\nurl = "t.example"\n[c8y.device]\nkey_pin = "geheim"\nkey_uri = "pkcs11:pin-value=geheim"\n'))
    expect(JSON.stringify(await exposed("c8y"))).not.toContain("geheim")
  })
})
