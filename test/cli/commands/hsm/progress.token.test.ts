/** What a person, and a script, see while a token takes its time: `tedge` on a pseudo-terminal (script(1)) and in a pipe. */
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { find, run } from "../../../../scripts/lib/run.mjs"
import { freshHost } from "../../../actors/cryptoki/host/fresh-host.ts"
import { executable } from "../../../support/device/device.ts"
import { tedgeInProcess } from "../../../support/device/tedge-in-process.ts"
import { makeTempDir, removeTempDir } from "../../../support/temp-dir.ts"
import { type ScriptedModule, scriptedModule } from "../../../support/token/scripted-module.ts"
import { type SoftHsmDirectory, softhsmDirectory } from "../../../support/token/softhsm.ts"

let dir: string
let hsm: SoftHsmDirectory
let module: ScriptedModule
let env: NodeJS.ProcessEnv

beforeAll(freshHost)

beforeEach(() => {
  dir = makeTempDir()
  hsm = softhsmDirectory()
  hsm.addToken({ label: "my-token" })
  module = scriptedModule(hsm.modulePath)
  const device = tedgeInProcess(dir)
  device.settings(
    `[device]\nid = "my-device"\n[device.cryptoki]\nmode = "module"\nmodule_path = "${module.modulePath}"\npin = "123456"\n`
  )
  env = { ...process.env, ...hsm.env, TEDGE_CONFIG_DIR: device.configDir, TERM: "xterm", NO_COLOR: "1" }
})

afterEach(() => {
  module.cleanup()
  hsm.cleanup()
  removeTempDir(dir)
})

const tedge = (...words: ReadonlyArray<string>) => run(executable("tedge"), words, { env })

/** Everything that appeared on the terminal. */
const onTerminal = async (...words: ReadonlyArray<string>): Promise<string> => {
  const line = [executable("tedge"), ...words].map((word) => `'${word}'`).join(" ")
  const { stdout } = await run(find("script") ?? "script", ["-qec", line, "/dev/null"], { env })
  return stdout
}

const createKey = ["hsm", "create-key", "pkcs11:token=my-token", "--label", "k"]

describe("the generation of a key that takes long", () => {
  it("shows on a terminal what it waits for and for how long, and erases that", async () => {
    module.set({ C_GenerateKeyPair: { delayMs: 2500 } })
    const shown = await onTerminal(...createKey)
    expect(shown).toMatch(/\S waiting for the token to generate the ECDSA P-256 key: 1 s/)
    expect(shown).toContain("\r\u001b[2KNew keypair was successfully created.")
  })

  it("is a line on stderr of a script, and nothing on stdout", async () => {
    module.set({ C_GenerateKeyPair: { delayMs: 5500 } })
    const { code, stdout, stderr } = await tedge(...createKey)
    expect({ code, first: stdout.split("\n")[0] }).toEqual({ code: 0, first: "New keypair was successfully created." })
    expect(stderr).toMatch(/^waiting for the token to generate the ECDSA P-256 key: \d+ s$/m)
    expect(stdout).not.toContain("waiting")
  })
})

it("a signature that may wait for a touch says so", async () => {
  await tedge(...createKey)
  module.set({ C_Sign: { delayMs: 2500 } })
  const shown = await onTerminal("cert", "create")
  expect(shown).toContain("waiting for a signature; touch the token if it blinks: 1 s")
  expect(shown).toContain("Certificate created successfully")
})

it("hsm init shows that the token is being initialised", async () => {
  module.set({ C_InitToken: { delayMs: 2500 } })
  const words = ["hsm", "init", "--label", "new", "--pin", "123456", "--so-pin", "12345678"]
  const shown = await onTerminal(...words)
  expect(shown).toContain("waiting for the token 'new' to be initialised: 1 s")
  expect(shown).toMatch(/pkcs11:\S*token=new/)
})
