/**
 * `tedge hsm doctor` beside a mapper whose own PIN was refused: it names that, tries no PIN, and takes nothing from the
 * mapper; the corrected PIN heals both. With a module, and with a signing service.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { createDevice, type Device, eventually, executable, nextLocal } from "../support/device/device.ts"
import { askDoctor } from "../support/device/doctor.ts"
import { makeTempDir, removeTempDir } from "../support/temp-dir.ts"
import { type ScriptedModule, scriptedModule } from "../support/token/scripted-module.ts"

let dir: string
let device: Device
let module: ScriptedModule
let processes: Array<ChildProcess>

beforeEach(async () => {
  dir = makeTempDir()
  device = await createDevice({ dir, deviceId: "latched-device", pin: "123456" })
  module = scriptedModule(device.token.modulePath)
  // A maker whose tokens may lock.
  module.setToken("*", { manufacturer: "Card maker" })
  await set("device.cryptoki.module_path", module.modulePath)
  await set("device.key_uri", "pkcs11:token=my-token;object=my-key")
  processes = []
})
afterEach(async () => {
  for (const child of processes) child.kill("SIGKILL")
  await device.close()
  module.cleanup()
  removeTempDir(dir)
})

const set = async (key: string, value: string) => {
  const { code, stderr } = await device.tedge(["config", "set", key, value])
  expect(code, stderr).toBe(0)
}

const start = (
  program: Parameters<typeof executable>[0],
  args: ReadonlyArray<string>,
  env: NodeJS.ProcessEnv = device.env
) => {
  const child = spawn(executable(program), args, { env, stdio: ["ignore", "ignore", "pipe"] })
  processes.push(child)
  let log = ""
  child.stderr?.on("data", (text) => {
    log += String(text)
  })
  const says = (text: string) =>
    eventually(() => log.includes(text), 60_000).catch(() => expect.fail(`'${text}' is not in: ${log}`))
  return { child, says, log: () => log }
}

const doctor = async () => {
  const { code, checks } = await askDoctor(device)
  return { code, failed: new Map(checks.filter(({ ok }) => !ok).map((one) => [one.name, one])) }
}

const reason = () => nextLocal(device, "te/device/main/service/tedge-mapper-bridge-c8y/status/reason", 1)

describe("the doctor beside a mapper whose PIN was refused", { timeout: 240_000 }, () => {
  it("with a module", async () => {
    await set("device.cryptoki.pin", "999999")
    const mapper = start("tedge-mapper", ["c8y"])
    await mapper.says("PIN")
    await eventually(async () => (await reason())?.includes("PIN") === true)
    const logins = module.calls("C_Login")
    expect(logins).toBe(1)
    for (let n = 0; n < 2; n++) {
      const { code, failed } = await doctor()
      expect([code, [...failed.keys()]]).toEqual([1, ["login and key", "connection to the cloud"]])
      expect(failed.get("login and key")).toMatchObject({
        detail: expect.stringContaining("PIN is incorrect; it was refused before and was not tried again"),
        hint: expect.stringContaining("tedge config set device.cryptoki.pin <PIN>")
      })
      expect(failed.get("connection to the cloud")?.detail).toMatch(/^of tedge-mapper-c8y: down: .*PIN is incorrect/)
    }
    expect(module.calls("C_Login")).toBe(logins)
    await set("device.cryptoki.pin", "123456")
    await eventually(async () => (await doctor()).code === 0, 90_000)
  })

  it("with a signing service", async () => {
    const config = join(dir, "server-config")
    mkdirSync(config)
    const socket = join(dir, "p11.sock")
    const write = (pin: string) =>
      writeFileSync(
        join(config, "tedge.toml"),
        `[config]\nversion = "2"\n[run]\npath = "${join(dir, "run")}"\n[device.cryptoki]\npin = "${pin}"\n`,
        { mode: 0o640 }
      )
    write("999999")
    const args = ["--config-dir", config, "--module-path", module.modulePath, "--socket-path", socket]
    const server = start("tedge-p11-server", args)
    await server.says("Server listening")
    for (const key of ["device.cryptoki.pin", "device.cryptoki.module_path"])
      await device.tedge(["config", "unset", key])
    await set("device.cryptoki.mode", "socket")
    await set("device.cryptoki.socket_path", socket)
    const { SOFTHSM2_CONF: _notForTheClient, ...client } = device.env
    const mapper = start("tedge-mapper", ["c8y"], client)
    await mapper.says("PIN")
    await eventually(async () => (await reason())?.includes("PIN") === true)
    const logins = module.calls("C_Login")
    for (let n = 0; n < 2; n++) {
      let { code, failed } = await doctor()
      // It may ask in the moment in which the mapper tries again.
      while (failed.get("connection to the cloud")?.detail?.endsWith("connecting")) ({ code, failed } = await doctor())
      expect([code, [...failed.keys()]]).toEqual([1, ["login and key", "connection to the cloud"]])
      const detail = expect.stringContaining("PIN is incorrect; it was refused before and was not tried again")
      const hint = expect.stringContaining("tedge hsm clear-pin-latch")
      for (const check of failed.values()) expect(check).toMatchObject({ detail, hint })
    }
    expect([logins, module.calls("C_Login")]).toEqual([1, 1])
    write("123456")
    server.child.kill("SIGHUP")
    await server.says("settings reloaded")
    await eventually(async () => (await doctor()).code === 0, 90_000)
  })
})
