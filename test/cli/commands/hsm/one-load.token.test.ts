/** Each command loads the PKCS#11 module once: with some cards that takes seconds. */
import { afterEach, beforeAll, beforeEach, expect, it } from "vitest"
import { freshHost } from "../../../actors/cryptoki/host/fresh-host.ts"
import { type InProcess, tedgeInProcess } from "../../../support/device/tedge-in-process.ts"
import { makeTempDir, removeTempDir } from "../../../support/temp-dir.ts"
import { type ScriptedModule, scriptedModule } from "../../../support/token/scripted-module.ts"
import { type SoftHsmDirectory, softhsmDirectory } from "../../../support/token/softhsm.ts"

let dir: string
let hsm: SoftHsmDirectory
let module: ScriptedModule
let device: InProcess

beforeAll(freshHost)

beforeEach(() => {
  dir = makeTempDir()
  hsm = softhsmDirectory()
  hsm.addToken({ label: "my-token" }).importKey()
  module = scriptedModule(hsm.modulePath)
  // What is done for tokens in files alone is not done for a card.
  module.setToken("*", { manufacturer: "Card maker" })
  device = tedgeInProcess(dir, { environment: hsm.env })
  device.settings(`[device.cryptoki]\nmode = "module"\nmodule_path = "${module.modulePath}"\npin = "123456"\n`)
})

afterEach(() => {
  module.cleanup()
  hsm.cleanup()
  removeTempDir(dir)
})

it.each([
  "hsm list-tokens",
  "hsm list-keys",
  "hsm list-keys pkcs11:token=my-token",
  "hsm create-key --label other",
  "hsm doctor",
  "hsm change-pin pkcs11:token=my-token --current-pin 123456 --new-pin 654321",
  "hsm init --label fresh --so-pin 12345678 --pin 123456",
  "cert create-key-hsm --label other",
  "cert create-csr --device-id one"
])("%s", async (line) => {
  const { stderr } = await device.tedge(line.split(" "))
  expect(module.calls("C_Initialize"), stderr).toBe(1)
})
