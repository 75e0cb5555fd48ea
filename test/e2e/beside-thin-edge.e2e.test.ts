/**
 * docs/beside-thin-edge.md, its commands as they are printed, with the executables a user starts: tedge-hsm and its bridge, a real token, real brokers, and beside
 * them a program in the place of thin-edge.io's mapper, with its lock, its client id and the message it waits for.
 */
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { run } from "../../scripts/lib/run.mjs"
import { commandBlocks } from "../docs/commands.ts"
import {
  createDevice,
  type Device,
  eventually,
  executable,
  healthOf,
  nextLocal,
  publishLocal,
  sendFromCloud,
  servicesOf
} from "../support/device/device.ts"
import { makeTempDir, removeTempDir } from "../support/temp-dir.ts"

let dir: string
let device: Device
let env: NodeJS.ProcessEnv

const mosquitto = "te/device/main/service/mosquitto-c8y-bridge/status/health"
const lockOf = (unit: string) => join(dir, "run", "lock", `${unit}.lock`)

/** As thin-edge.io's: nothing is done before the health of the bridge is there, whatever it is; then `500`. */
const writeMapper = (): string => {
  const bin = join(dir, "bin")
  mkdirSync(bin)
  const health = "te/device/main/service/tedge-mapper-c8y/status/health"
  const broker = `-p ${device.broker.port} -q 1`
  const script = `#!/bin/sh
printf %s $$ > ${lockOf("tedge-mapper-c8y")}; exec 9< ${lockOf("tedge-mapper-c8y")}
mosquitto_sub ${broker} -i tedge-mapper-c8y -t ${mosquitto} -C 1 > /dev/null
mosquitto_pub ${broker} -i tedge-mapper-c8y -t ${health} -r -m '{"status":"up","pid":4242}'
mosquitto_pub ${broker} -i tedge-mapper-c8y -t c8y/s/us -m 500
exec sleep 600
`
  writeFileSync(join(bin, "tedge-mapper"), script)
  chmodSync(join(bin, "tedge-mapper"), 0o755)
  return bin
}

const hsm = (...words: ReadonlyArray<string>) => run(executable("tedge-hsm"), [...words], { env, timeoutMs: 120_000 })

/** A block of commands of the page, by the words it begins with. */
const printed = (words: string) => {
  const block = commandBlocks().find(
    ({ document, commands }) => document === "docs/beside-thin-edge.md" && commands.startsWith(words)
  )
  if (block === undefined) throw new Error(`the page has no block of commands that begins with '${words}'`)
  return run("bash", ["-euc", block.commands], { env, timeoutMs: 120_000 })
}

beforeAll(async () => {
  dir = makeTempDir()
  device = await createDevice({ dir, deviceId: "beside-device", pin: "123456" })
  env = { ...device.env, PATH: `${writeMapper()}:${join(executable("tedge-hsm"), "..")}:${process.env.PATH}` }
})

afterAll(async () => {
  await device?.close()
  removeTempDir(dir)
})

// One device, one life: each test finds the device as the one before left it.
describe("tedge-hsm beside thin-edge.io's mapper", () => {
  it("calls itself so in help, hints and examples", async () => {
    expect((await hsm("connect", "--help")).stdout).toMatch(
      /^Usage: tedge-hsm connect .* {2}tedge-hsm connect c8y --test$/ms
    )
    const { code, stderr } = await hsm("connect", "c8y", "--test")
    expect([code, stderr]).toEqual([1, expect.stringContaining("hint: tedge-hsm connect c8y\n")])
    const bridge = await run(executable("tedge-hsm-bridge"), ["--help"], { env })
    expect(bridge.stdout).toContain("Usage: tedge-hsm-bridge [OPTIONS] <COMMAND>")
  })

  it("connects with a bridge of its own name, and starts the mapper with its bridge switched off", async () => {
    expect((await printed("tedge-hsm config set device.cryptoki.pin")).code).toBe(0)
    const { code, stdout, stderr } = await printed("tedge-hsm connect c8y")
    expect(code, `${stdout}${stderr}`).toBe(0)
    expect(stdout).toMatch(/^✓ mapper: tedge-bridge-c8y runs/m)
    expect(stdout).toMatch(/^✓ mapper of thin-edge.io: tedge-mapper-c8y maps, and leaves the cloud to us/m)
    expect(stdout).toMatch(/^✓ device id in the cloud: used by tedge-bridge-c8y .* alone$/m)
    const steps = stderr.split("\n").filter((line) => line.startsWith("Enabling"))
    expect(steps).toEqual(["Enabling tedge-bridge-c8y... ✓", "Enabling tedge-mapper-c8y... ✓"])
    const mapper = Number(readFileSync(lockOf("tedge-mapper-c8y"), "utf8"))
    expect(readFileSync(`/proc/${mapper}/environ`, "latin1").split("\0")).toContain("TEDGE_MQTT_BRIDGE_BUILT_IN=false")
    expect(existsSync(lockOf("tedge-bridge-c8y"))).toBe(true)
  })

  it("releases the mapper, which asks for operations, and speaks for itself", async () => {
    await device.cloud.waitFor(({ payload }) => payload === "500")
    expect(await nextLocal(device, mosquitto)).toBe("1")
    expect(await healthOf(device, "tedge-mapper-bridge-c8y")).toEqual({ status: "up" })
    expect(await healthOf(device, "tedge-mapper-c8y")).toEqual({ status: "up", pid: 4242 })
  })

  it("forwards mapped messages, operations, and the token request of the mapper's proxy", async () => {
    await publishLocal(device, "c8y/measurement/measurements/create", '{"type":"T"}')
    await device.cloud.waitFor(({ topic }) => topic === "measurement/measurements/create")
    expect(await sendFromCloud(device, "s/ds", "510,beside-device")).toBe("510,beside-device")
    const token = nextLocal(device, "c8y/s/dat")
    await eventually(() => device.broker.log().includes("c8y/s/dat (QoS 1)"))
    await publishLocal(device, "c8y/s/uat", "")
    expect(await token).toMatch(/^71,/)
  })

  it("passes its connection test, is not connected twice, and reconnects both", async () => {
    expect((await hsm("connect", "c8y", "--test")).code).toBe(0)
    const { code, stderr } = await hsm("connect", "c8y")
    expect([code, stderr]).toEqual([1, expect.stringContaining("to re-establish it: tedge-hsm reconnect c8y")])
    const before = readFileSync(lockOf("tedge-mapper-c8y"), "utf8")
    expect((await printed("tedge-hsm reconnect c8y")).code).toBe(0)
    expect(readFileSync(lockOf("tedge-mapper-c8y"), "utf8")).not.toBe(before)
  })

  it("leaves the settings of the local broker to thin-edge.io but for a file of its own", () => {
    const conf = join(device.configDir, "mosquitto-conf")
    expect(readFileSync(join(conf, "tedge-hsm-mosquitto.conf"), "utf8")).toContain("max_queued_messages 100000")
    expect(readFileSync(join(conf, "c8y-bridge.conf"), "utf8")).toContain(
      "# its messages are carried by tedge-bridge-c8y"
    )
  })

  it("disconnects both, and nothing is left running", async () => {
    const { code, stderr } = await printed("tedge-hsm disconnect c8y")
    expect(code, stderr).toBe(0)
    expect(servicesOf(device)).toEqual([])
    expect(await nextLocal(device, mosquitto)).toBe("0")
    expect(await healthOf(device, "tedge-mapper-bridge-c8y")).toEqual({ status: "down" })
  })
})
