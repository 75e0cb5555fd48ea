/** `tedge config set` where programs of thin-edge's own are installed: what they do not find, and what they drop. */
import { chmodSync, copyFileSync, mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { beforeEach, describe, expect, it } from "vitest"
import { find, run } from "../../../../scripts/lib/run.mjs"
import { executable } from "../../../support/device/device.ts"
import { tempDir } from "../../../support/temp-dir.ts"

let dir: string

/** What tells thin-edge's programs from ours is that they are binaries: any will do. */
const install = (...names: ReadonlyArray<string>) => {
  mkdirSync(join(dir, "bin"))
  for (const name of names) {
    copyFileSync(find("true") ?? "", join(dir, "bin", name))
    chmodSync(join(dir, "bin", name), 0o755)
  }
}

beforeEach(() => {
  dir = tempDir()
})

const said = async (...words: ReadonlyArray<string>) => {
  const env = { ...process.env, PATH: `${join(dir, "bin")}:${process.env.PATH}`, TEDGE_CONFIG_DIR: join(dir, "etc") }
  const { code, stdout, stderr } = await run(executable("tedge"), ["config", ...words], { env })
  expect([code, stdout]).toEqual([0, ""])
  return stderr
}
const warned = (...words: ReadonlyArray<string>) => said("set", ...words)

describe("beside thin-edge's own programs", () => {
  it("a secret: which of them do not find it, and how they get it", async () => {
    install("tedge", "tedge-mapper", "tedge-p11-server")
    const told = await warned("device.cryptoki.pin", "1234")
    expect(told).toMatch(
      /own tedge-p11-server does not read '.*secrets\.toml' .*TEDGE_DEVICE_CRYPTOKI_PIN=<value> in \/etc\/tedge\/plugins\/tedge-p11-server\.conf.*tries 123456/
    )
    expect(told).toMatch(/own tedge-mapper does not read .*TEDGE_DEVICE_CRYPTOKI_PIN.*edit tedge-mapper-<cloud>\)/)
    expect(told).not.toContain("1234\n")
    expect(await warned("c8y.device.key_pin", "5678", "--profile", "prod")).toMatch(
      /TEDGE_C8Y_PROFILES_PROD_DEVICE_KEY_PIN=.*mode 0640.*EnvironmentFile=.*systemctl edit tedge-mapper-c8y@prod\)/
    )
    expect(await said("add", "c8y.device.key_pin", "5678")).toMatch(/own tedge-mapper .*edit tedge-mapper-c8y\)/)
    expect(await warned("device.type", "x")).toBe("")
  })

  it("secrets that an upgrade moves, and the copy that still holds them", async () => {
    install("tedge", "tedge-mapper", "tedge-agent")
    mkdirSync(join(dir, "etc"))
    const text = `[config]\nversion = "2"\n[proxy]\nusername = "u"\npassword = "p"\n[c8y.profiles.prod]\ndevice.key_pin = "9"\n`
    writeFileSync(join(dir, "etc/tedge.toml"), text, { mode: 0o640 })
    const told = await said("upgrade")
    expect(told).toMatch(/own tedge-mapper does not read .*TEDGE_PROXY_PASSWORD=/)
    expect(told).toMatch(/own tedge-agent does not read .*TEDGE_PROXY_PASSWORD=.*systemctl edit tedge-agent\)/)
    expect(told).toMatch(/TEDGE_C8Y_PROFILES_PROD_DEVICE_KEY_PIN=.*systemctl edit tedge-mapper-c8y@prod\)/)
    expect(told).toMatch(/tedge\.toml\.bak' holds a PIN or a password: remove it when the device is connected\n$/)
    const again = await said("upgrade")
    expect(again).not.toMatch(/does not read/)
    expect(again).toMatch(/tedge\.toml\.bak' holds a PIN or a password/)
  })

  it("a setting that only we have: their tedge drops it", async () => {
    install("tedge")
    expect(await warned("mqtt.bridge.keepalive_interval", "30s")).toMatch(
      /own tedge drops mqtt\.bridge\.keepalive_interval when it writes the settings .*TEDGE_MQTT_BRIDGE_KEEPALIVE_INTERVAL/
    )
    expect(await warned("c8y.bridge.topic_prefix", "c8y")).toBe("")
  })

  it("nothing is said where they are not", async () => {
    install("tedge-agent")
    expect(await warned("device.cryptoki.pin", "1234")).toBe("")
    expect(await warned("mqtt.bridge.keepalive_interval", "30s")).toBe("")
  })
})
