/** A command or service that is killed: its token host logs out and finalises the module, and ends in any case. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { afterEach, beforeAll, beforeEach, expect, it } from "vitest"
import { freshHost } from "../../../actors/cryptoki/host/fresh-host.ts"
import { eventually, executable } from "../../../support/device/device.ts"
import { tedgeInProcess } from "../../../support/device/tedge-in-process.ts"
import { isAlive } from "../../../support/is-alive.ts"
import { makeTempDir, removeTempDir } from "../../../support/temp-dir.ts"
import { type FunctionName, type ScriptedModule, scriptedModule } from "../../../support/token/scripted-module.ts"
import { type SoftHsmDirectory, softhsmDirectory } from "../../../support/token/softhsm.ts"

let dir: string
let hsm: SoftHsmDirectory
let module: ScriptedModule

beforeAll(freshHost)

beforeEach(() => {
  dir = makeTempDir()
  hsm = softhsmDirectory()
  hsm.addToken({ label: "my-token" })
  module = scriptedModule(hsm.modulePath)
})

afterEach(() => {
  module.cleanup()
  hsm.cleanup()
  removeTempDir(dir)
})

/** Kills the command when the module is in this function. */
const killedIn = async (name: FunctionName): Promise<void> => {
  const device = tedgeInProcess(dir)
  device.settings(`[device.cryptoki]\nmode = "module"\nmodule_path = "${module.modulePath}"\npin = "123456"\n`)
  const env = { ...process.env, ...hsm.env, TEDGE_CONFIG_DIR: device.configDir }
  const command = spawn(executable("tedge"), ["hsm", "list-keys", "pkcs11:token=my-token"], { env, stdio: "ignore" })
  const ended = once(command, "exit")
  await eventually(() => module.calls(name) > 0, 50_000)
  command.kill("SIGKILL")
  await ended
}

const noHostIsLeft = () => eventually(() => !module.processes().some(isAlive))

it("after the call in progress", async () => {
  module.set({ C_FindObjectsInit: { delayMs: 1000 }, C_Finalize: { delayMs: 100 } })
  await killedIn("C_FindObjectsInit")
  await noHostIsLeft()
  expect(module.calls("C_Logout")).toBe(1)
  expect(module.calls("C_Finalize-returned" as FunctionName)).toBe(1)
})

it.each([true, "spin"] as const)("ends though the call does not return (%s)", async (hang) => {
  module.set({ C_FindObjectsInit: { hang } })
  await killedIn("C_FindObjectsInit")
  await noHostIsLeft()
  expect(module.calls("C_Finalize")).toBe(0)
})

it("ends though the module does not come to the end of C_Finalize", async () => {
  module.set({ C_FindObjectsInit: { delayMs: 500 }, C_Finalize: { hang: true } })
  await killedIn("C_FindObjectsInit")
  await noHostIsLeft()
  expect(module.calls("C_Finalize")).toBe(1)
})
