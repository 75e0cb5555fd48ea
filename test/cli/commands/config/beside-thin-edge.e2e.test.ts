/** `tedge config set` where programs of thin-edge's own are installed: what they do not find, and what they drop. */
import { chmodSync, copyFileSync, mkdirSync } from "node:fs"
import { join } from "node:path"
import { beforeEach, describe, expect, it } from "vitest"
import { executable } from "../../../support/device.ts"
import { find, run } from "../../../support/run-command.ts"
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

const warned = async (...words: ReadonlyArray<string>) => {
  const env = { ...process.env, PATH: `${join(dir, "bin")}:${process.env.PATH}`, TEDGE_CONFIG_DIR: join(dir, "etc") }
  const { code, stdout, stderr } = await run(executable("tedge"), ["config", "set", ...words], { env })
  expect([code, stdout]).toEqual([0, ""])
  return stderr
}

describe("beside thin-edge's own programs", () => {
  it("a secret: which of them do not find it, and how they get it", async () => {
    install("tedge", "tedge-mapper", "tedge-p11-server")
    const said = await warned("device.cryptoki.pin", "1234")
    expect(said).toMatch(
      /own tedge-p11-server does not read '.*secrets\.toml' .*TEDGE_DEVICE_CRYPTOKI_PIN=<value> in \/etc\/tedge\/plugins\/tedge-p11-server\.conf.*tries 123456/
    )
    expect(said).toMatch(/own tedge-mapper does not read .*TEDGE_DEVICE_CRYPTOKI_PIN/)
    expect(said).not.toContain("1234\n")
    expect(await warned("c8y.device.key_pin", "5678", "--profile", "prod")).toContain(
      "TEDGE_C8Y_PROFILES_PROD_DEVICE_KEY_PIN"
    )
    expect(await warned("device.type", "x")).toBe("")
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
