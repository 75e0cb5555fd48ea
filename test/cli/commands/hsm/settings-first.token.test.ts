/**
 * Settings first, token second: where the settings cannot be written the token is as it was, and what could not be
 * known before is told with the command that repairs it. On real file systems.
 */
import { generateKeyPairSync } from "node:crypto"
import { mkdirSync, readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import { Effect } from "effect"
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest"
import type { CryptokiProtocol } from "../../../../src/messages/cryptoki.ts"
import { CryptokiOff, OutcomeUnknown } from "../../../../src/messages/token-refusals.ts"
import type { Behaviour } from "../../../../src/runtime/actor.ts"
import { freshHost } from "../../../actors/cryptoki/host/fresh-host.ts"
import { type InProcess, tedgeInProcess } from "../../../support/device/tedge-in-process.ts"
import { canMount, fillUp, makeImmutable, makeReadOnly, mountTmpfs } from "../../../support/mounts.ts"
import { tempDir } from "../../../support/temp-dir.ts"
import { type SoftHsmDirectory, softhsmDirectory } from "../../../support/token/softhsm.ts"

let dir: string
let hsm: SoftHsmDirectory
let device: InProcess

const settings = () => `[device.cryptoki]\nmode = "module"\nmodule_path = "${hsm.modulePath}"\npin = "123456"\n`
const configDir = () => join(dir, "etc")
const tedgeToml = () => join(configDir(), "tedge.toml")

beforeAll(freshHost)
beforeEach(() => {
  dir = tempDir()
  hsm = softhsmDirectory()
})
afterEach(() => hsm.cleanup())

const changePin = () => device.tedge(["hsm", "change-pin", "--current-pin", "123456", "--new-pin", "654321"])

describe.runIf(canMount())("settings that cannot be written", () => {
  const spoilt = {
    "a read-only file system": () => makeReadOnly(configDir()),
    "a full disk": () => fillUp(configDir()),
    "an immutable file": () => makeImmutable(tedgeToml()),
    "something that cannot be moved away": () =>
      mkdirSync(join(configDir(), ".tedge.toml.tmp/in-the-way"), { recursive: true })
  }

  describe.each(Object.keys(spoilt) as Array<keyof typeof spoilt>)("%s", (how) => {
    beforeEach(() => {
      mountTmpfs(configDir())
      device = tedgeInProcess(dir, { environment: hsm.env })
      device.settings(settings())
    })

    it("a key is not made", async () => {
      hsm.addToken()
      spoilt[how]()
      const refused = await device.tedge(["hsm", "create-key", "--label", "new"])
      expect([refused.code, refused.stderr]).toEqual([
        1,
        expect.stringMatching(/error: '.*tedge.toml' could not be written/)
      ])
      expect(JSON.parse((await device.tedge(["hsm", "list-keys", "--json"])).stdout)).toEqual([])
    })

    it("a PIN that the settings hold is not changed", async () => {
      hsm.addToken()
      spoilt[how]()
      const refused = await changePin()
      expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("could not be written")])
      expect((await device.tedge(["hsm", "list-keys", "--pin", "123456"])).code).toBe(0)
    })

    it("a token is not initialised with a PIN that could not be stored", async () => {
      spoilt[how]()
      const init = (pin: string) => device.tedge(["hsm", "init", "--so-pin", "12345678", "--pin", pin])
      const refused = await init("not-in-the-settings")
      expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("could not be written")])
      expect((await device.tedge(["hsm", "list-tokens"])).stdout).toContain("<uninitialized>")
      expect((await init("123456")).code).toBe(0)
    })
  })
})

describe("what cannot be known before", () => {
  const { publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
  const spki = new Uint8Array(publicKey.export({ type: "spki", format: "der" }))
  const uri = { token: "it's", serial: "1" }
  const off = () => Effect.fail(new CryptokiOff({ missing: "everything else" }))
  const inTheWay = () => join(configDir(), ".tedge.toml.tmp")
  const breakSettings = Effect.sync(() => void mkdirSync(join(inTheWay(), "in-the-way"), { recursive: true }))
  const token = {
    slot: 0,
    label: "it's",
    model: "",
    manufacturer: "",
    serial: "1",
    initialized: true,
    uri
  }
  /** The settings break while the token works. */
  const fake = (outcome: "done" | "unknown"): Behaviour<CryptokiProtocol> => ({
    init: () =>
      Effect.succeed({
        Ping: () => Effect.void,
        ChooseScheme: off,
        Sign: off,
        PublicKey: off,
        ListKeys: () => Effect.succeed([]),
        InitToken: off,
        DeleteKey: off,
        ClearPinLatch: off,
        ListTokens: () => Effect.succeed([token]),
        CreateKey: ({ label, id = new Uint8Array() }) =>
          Effect.as(breakSettings, { publicKey: spki, uri: { ...uri, object: label, id } }),
        ChangePin: () =>
          outcome === "done"
            ? Effect.as(breakSettings, token)
            : Effect.fail(new OutcomeUnknown({ token: "it's", operation: "change-pin" }))
      })
  })
  const start = (outcome: "done" | "unknown", more = "") => {
    device = tedgeInProcess(dir, { cryptoki: fake(outcome), environment: hsm.env })
    device.settings(settings() + more)
  }
  const commandIn = (stderr: string) => /tedge (config set .*)\n/.exec(stderr)?.[1] ?? ""

  it("a key that was made is not selected: the hint selects it, pasted into a shell", async () => {
    start("done")
    const done = await device.tedge(["hsm", "create-key", "--label", "k", "--id", "01"])
    expect([done.code, done.stdout]).toEqual([1, expect.stringContaining("New keypair was successfully created")])
    expect(done.stderr).toMatch(/error: the key was created but is not selected: '.*' could not be written/)
    const command = commandIn(done.stderr)
    expect(command).toMatch(/^config set device\.key_uri '/)
    rmSync(inTheWay(), { recursive: true })
    const words = /^config set (\S+) '(.*)'$/.exec(command) ?? []
    await device.set(words[1] ?? "", (words[2] ?? "").replaceAll("'\\''", "'"))
    expect(readFileSync(tedgeToml(), "utf8")).toContain("object=k")
  })

  it("a PIN that was changed is not stored: each setting is named, the PIN is not", async () => {
    start("done", `[device]\nkey_pin = "123456"\nkey_uri = "pkcs11:serial=1"\n`)
    const done = await changePin()
    expect(done.code).toBe(1)
    expect(done.stderr).toContain(
      "the token has the new user PIN, and device.cryptoki.pin and device.key_pin the old one"
    )
    expect(done.stderr).toContain(
      "tedge config set device.cryptoki.pin <the new PIN>; tedge config set device.key_pin <the new PIN>"
    )
    expect(done.stderr).not.toContain("654321")
  })

  it("a PIN change with an unknown outcome: how to find out, and what to set then", async () => {
    start("unknown")
    const done = await changePin()
    expect(done.stderr).toMatch(/error: .*; token 'pkcs11:.*' may have the new user PIN already\n/)
    expect(done.stderr).toContain("then, if it is the new one: tedge config set device.cryptoki.pin <the new PIN>")
    expect(done.stderr).not.toContain("654321")
  })
})
