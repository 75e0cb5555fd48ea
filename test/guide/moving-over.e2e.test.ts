/** docs/moving-over.md, block by block, on a device whose files thin-edge 2 wrote; and what it would find, going back. */
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { parse, stringify } from "smol-toml"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { run } from "../../scripts/lib/run.mjs"
import { originalReads } from "../actors/config/original-rules.ts"
import { commandBlocks, root } from "../docs/commands.ts"
import { createDevice, type Device, executable } from "../support/device/device.ts"
import { makeTempDir, removeTempDir } from "../support/temp-dir.ts"

let dir: string
let device: Device
let before: ReturnType<typeof originalReads>

const at = (name: string) => join(device.configDir, name)
const inFile = (name: string) => readFileSync(at(name), "utf8")
const mode = (name: string) => (statSync(at(name)).mode & 0o777).toString(8)
const write = (name: string, text: string) => {
  mkdirSync(dirname(at(name)), { recursive: true })
  writeFileSync(at(name), text)
  chmodSync(at(name), 0o644)
}

/** As its `config set` leaves them: PINs among the rest, sorted by its own tables, without comments, for everybody to read. */
const asThinEdgeWrote = () => {
  const cloud = parse(inFile("mappers/c8y/mapper.toml"))
  const tedge = existsSync(at("tedge.toml")) ? parse(inFile("tedge.toml")) : {}
  const secrets = parse(inFile("secrets.toml")) as { device: { cryptoki: { pin: string } } }
  const own = tedge.device as { cryptoki: Record<string, string> }
  own.cryptoki.pin = secrets.device.cryptoki.pin
  rmSync(at("secrets.toml"))
  write("tedge.toml", stringify({ ...tedge, config: { version: "2" } }))
  write("mappers/c8y/mapper.toml", stringify({ ...cloud, "some.key": 1, cloud_type: "c8y" }))
  const second = { url: "second.example", bridge: { topic_prefix: "c8y-second" }, proxy: { bind: { port: 8002 } } }
  write("mappers/c8y.second/mapper.toml", stringify({ ...second, cloud_type: "c8y", device: { key_pin: "987654" } }))
  write("mappers/c8y/flows/measurements.toml", 'input.mqtt.topics = ["te/+/+/+/+/m/+"]\n')
  write("mappers/c8y/bridge/mqtt-core.toml", 'local_prefix = "c8y/"\n')
  write("mappers/thingsboard/mapper.toml", 'url = "tb.example"\n')
  write("mosquitto-conf/c8y-bridge.conf", "# This file is made by tedge\n")
}

beforeAll(async () => {
  dir = makeTempDir()
  device = await createDevice({ dir, deviceId: "moving-device", pin: "123456" })
  asThinEdgeWrote()
  before = originalReads(device.configDir, "c8y")
})

afterAll(async () => {
  await device?.close()
  removeTempDir(dir)
})

const shell = (commands: string) => {
  const PATH = `${join(executable("tedge"), "..")}:${device.env.PATH}`
  return run("bash", ["-euc", commands], { env: { ...device.env, PATH }, cwd: root, timeoutMs: 120_000 })
}

const removeListedCopies = async () => {
  const { stdout, stderr } = await shell("tedge config upgrade")
  const copies = [...`${stdout}${stderr}`.matchAll(/'([^']+\.bak)' holds a PIN/g)].map(([, path]) => path ?? "")
  expect(copies).toContain(at("tedge.toml.bak"))
  expect(inFile("tedge.toml.bak")).toContain("123456")
  expect(mode("tedge.toml.bak")).toBe("644")
  for (const copy of copies) rmSync(copy)
}

const said: Readonly<Record<string, RegExp>> = {
  "tedge mapper list": /^c8y\t.*\tmoving-device \[cert CN\]\tc8y\nc8y\.second\t.*\nthingsboard\ttb\.example\t/m,
  "tedge config upgrade": /secrets\.toml'/,
  "tedge hsm list-keys": /pkcs11:/,
  "tedge connect c8y": /✓ |connected/i,
  "tedge hsm doctor": /✓ connection to the cloud/
}

describe("docs/moving-over.md", () => {
  for (const { where, commands } of commandBlocks().filter(({ document }) => document.endsWith("moving-over.md")))
    it(`${where} does what it says`, async () => {
      // With thin-edge's own tedge, which takes the marker away.
      if (commands.startsWith("tedge connect")) rmSync(at("mosquitto-conf/c8y-bridge.conf"), { force: true })
      if (commands.startsWith("tedge hsm doctor")) await removeListedCopies()
      const { code, stdout, stderr } = await shell(commands)
      expect(code, `${commands}\n${stdout}\n${stderr}`).toBe(0)
      expect(`${stdout}${stderr}`).toMatch(
        said[Object.keys(said).find((start) => commands.startsWith(start)) ?? ""] ?? /^/
      )
    })

  it("left everything of thin-edge's that is not a secret, and the secrets in a file that others do not read", () => {
    expect(originalReads(device.configDir, "c8y")).toEqual(before)
    for (const name of ["tedge.toml", "mappers/c8y/mapper.toml", "mappers/c8y.second/mapper.toml"]) {
      expect([name, inFile(name)]).toEqual([name, expect.not.stringMatching(/123456|987654/)])
      expect([name, mode(name)]).toEqual([name, "644"])
    }
    expect(parse(inFile("secrets.toml"))).toMatchObject({
      device: { cryptoki: { pin: "123456" } },
      c8y: { profiles: { second: { device: { key_pin: "987654" } } } }
    })
    expect(mode("secrets.toml")).toBe("640")
    expect(inFile("mappers/c8y/mapper.toml")).toContain("some.key")
    for (const name of [
      "mappers/c8y/flows/measurements.toml",
      "mappers/c8y/bridge/mqtt-core.toml",
      "mappers/thingsboard/mapper.toml"
    ])
      expect([name, existsSync(at(name))]).toEqual([name, true])
  })
})
