/**
 * The main job in socket mode: the signing service is started by socket activation, and the client cannot reach the
 * token: it has neither its files nor pkcs11js, as `npm ci --omit=optional` leaves an installation.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { cpSync, existsSync, mkdirSync } from "node:fs"
import { dirname, join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { run } from "../../scripts/lib/run.mjs"
import {
  createDevice,
  type Device,
  eventually,
  executable,
  healthOf,
  publishLocal,
  sendFromCloud
} from "../support/device/device.ts"
import { makeTempDir, removeTempDir } from "../support/temp-dir.ts"

let dir: string
let device: Device
let server: ChildProcess
let client: NodeJS.ProcessEnv
let home: string

beforeAll(async () => {
  dir = makeTempDir()
  device = await createDevice({ dir, deviceId: "socket-device" })
  home = installationWithoutModules()
  const { SOFTHSM2_CONF: _notForTheClient, ...rest } = device.env
  client = rest
  for (const [key, value] of [
    ["device.cryptoki.mode", "socket"],
    ["device.cryptoki.socket_path", socketPath()]
  ] as const)
    await tedge("config", "set", key, value)
  for (const key of ["device.cryptoki.pin", "device.cryptoki.module_path"]) await tedge("config", "unset", key)
  server = await activatedServer()
})

afterAll(async () => {
  await tedge("disconnect", "c8y")
  server?.kill("SIGTERM")
  await device?.close()
  removeTempDir(dir)
})

const socketPath = () => join(dir, "p11.sock")

/** What the package is without its optional dependency: the executables and the bundles. */
const installationWithoutModules = (): string => {
  const place = join(dir, "installed")
  mkdirSync(place)
  const root = join(dirname(executable("tedge")), "..")
  for (const folder of ["bin", "dist"]) cpSync(join(root, folder), join(place, folder), { recursive: true })
  return place
}

const tedge = (...args: ReadonlyArray<string>) =>
  run(join(home, "bin", "tedge"), args, { env: client, timeoutMs: 120_000 })

/** Resolves when clients can connect; the service itself starts with the first of them. */
const activatedServer = async (): Promise<ChildProcess> => {
  const config = join(dir, "server-config")
  mkdirSync(config, { recursive: true })
  const passed = ["SOFTHSM2_CONF", "TEDGE_RUN_PATH", "TEDGE_DEVICE_CRYPTOKI_PIN"].flatMap((name) => ["-E", name])
  const command = [executable("tedge-p11-server"), "--config-dir", config, "--module-path", device.token.modulePath]
  const child = spawn("systemd-socket-activate", [...passed, "-l", socketPath(), ...command], {
    env: { ...device.env, TEDGE_RUN_PATH: join(dir, "run"), TEDGE_DEVICE_CRYPTOKI_PIN: device.token.pin },
    stdio: ["ignore", "ignore", "pipe"]
  })
  let log = ""
  child.stderr?.on("data", (text) => {
    log += String(text)
  })
  await eventually(() => log.includes("Listening on"))
  return child
}

const connections = (): number =>
  device.cloud
    .log()
    .split("\n")
    .filter((line) => / New client connected .* as socket-device /.test(line)).length

const isUp = async () => (await healthOf(device, "tedge-mapper-bridge-c8y"))?.status === "up"

// One device, one life: each test finds the device as the one before left it.
describe("a device whose token only the signing service can reach", () => {
  it("has no way to the token of its own", async () => {
    expect(existsSync(join(home, "node_modules"))).toBe(false)
    expect(client.SOFTHSM2_CONF).toBeUndefined()
    expect((await tedge("config", "get", "device.cryptoki.pin")).code).toBe(1)
  })

  it("connects", async () => {
    const { code, stderr } = await tedge("connect", "c8y")
    expect(code, stderr).toBe(0)
    expect(stderr).toContain("Verifying device is connected to cloud... ✓")
    expect(stderr).toContain("cryptoki: true")
    await eventually(isUp)
  })

  it("forwards a measurement to the cloud and an operation to the device", async () => {
    await publishLocal(device, "c8y/s/us", "200,c8y_Temperature,T,25")
    await device.cloud.waitFor(({ payload }) => payload === "200,c8y_Temperature,T,25")
    expect(await sendFromCloud(device, "s/ds", "510,socket-device")).toBe("510,socket-device")
  })

  it("passes the connection test", async () => {
    const { code, stderr } = await tedge("connect", "c8y", "--test")
    expect(code, stderr).toBe(0)
  })

  it("does not notice that the signing service was killed and started again", async () => {
    const before = connections()
    server.kill("SIGKILL")
    await new Promise((resolve) => server.once("exit", resolve))
    server = await activatedServer()
    await publishLocal(device, "c8y/s/us", "200,c8y_Temperature,T,26")
    await device.cloud.waitFor(({ payload }) => payload === "200,c8y_Temperature,T,26")
    expect(await isUp()).toBe(true)
    expect(connections() - before).toBeLessThanOrEqual(1)
  })

  it("is back by itself when cloud and signing service were away at once", async () => {
    server.kill("SIGKILL")
    await device.cloud.stopBroker()
    await eventually(async () => !(await isUp()))
    await device.cloud.startBroker()
    server = await activatedServer()
    await eventually(isUp, 60_000)
  })

  it("reconnects and disconnects", async () => {
    expect((await tedge("reconnect", "c8y")).code).toBe(0)
    expect((await tedge("disconnect", "c8y")).code).toBe(0)
  })
})
