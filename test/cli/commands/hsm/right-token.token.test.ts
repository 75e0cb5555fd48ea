/** Commands work on the token that was named and no other; a PIN that changes follows into the settings that hold it. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { freshHost } from "../../../actors/cryptoki/host/fresh-host.ts"
import { type InProcess, tedgeInProcess } from "../../../support/device/tedge-in-process.ts"
import { tempDir } from "../../../support/temp-dir.ts"
import { type SoftHsmDirectory, type SoftHsmToken, softhsmDirectory } from "../../../support/token/softhsm.ts"
import { expectRefusal, expectUsageError } from "./expect-refusal.ts"

let hsm: SoftHsmDirectory
let one: SoftHsmToken
let other: SoftHsmToken
let device: InProcess

beforeAll(freshHost)

beforeEach(() => {
  hsm = softhsmDirectory()
  one = hsm.addToken({ label: "one" })
  other = hsm.addToken({ label: "other" })
  for (const token of [one, other]) token.importKey({ label: "my-key", id: "01" })
  device = tedgeInProcess(tempDir(), { environment: hsm.env })
  use("")
})

afterEach(() => hsm.cleanup())

const use = (cryptoki: string, more = "") =>
  device.settings(
    `${more}\n[device.cryptoki]\nmode = "module"\nmodule_path = "${hsm.modulePath}"\npin = "123456"\n${cryptoki}`
  )

const keysOf = async ({ serial }: SoftHsmToken) => {
  const scopeless = tedgeInProcess(tempDir(), { environment: hsm.env })
  scopeless.settings(`[device.cryptoki]\nmode = "module"\nmodule_path = "${hsm.modulePath}"\npin = "123456"\n`)
  return JSON.parse((await scopeless.tedge(["hsm", "list-keys", `pkcs11:serial=${serial}`, "--json"])).stdout)
}

describe("a token outside of device.cryptoki.uri", () => {
  it("is not made, and one within it is, in a free slot", async () => {
    use('uri = "pkcs11:token=tedge"')
    const init = (label: string) =>
      device.tedge(["hsm", "init", "--label", label, "--so-pin", "87654321", "--pin", "123456"])
    expect((await init("else")).code).toBe(1)
    const done = await init("tedge")
    expect([done.code, done.stdout], done.stderr).toEqual([0, expect.stringMatching(/token=tedge\n$/)])
    expect((await init("tedge")).stdout).toBe(done.stdout)
  })

  it("is refused, not taken for the one inside", async () => {
    use('uri = "pkcs11:token=one"')
    for (const words of [
      ["hsm", "delete-key", "pkcs11:token=other;object=my-key", "--force"],
      ["hsm", "delete-key", "pkcs11:token=other", "--id", "01", "--force"],
      ["hsm", "list-keys", "pkcs11:token=other"],
      ["hsm", "change-pin", "pkcs11:token=other", "--current-pin", "123456", "--new-pin", "9999"],
      ["cert", "create-key-hsm", "pkcs11:token=other"]
    ])
      expectRefusal(
        await device.tedge(words),
        "is outside the scope of device.cryptoki.uri: 'pkcs11:token=one'",
        "device.cryptoki.uri"
      )
    for (const token of [one, other]) expect(await keysOf(token)).toHaveLength(2)
  })
})

describe("a URI that means several tokens", () => {
  it.each([
    ["delete-key", ["--force"]],
    ["list-keys", []]
  ])("is refused by %s: none is guessed", async (command, more) => {
    const words = ["hsm", command, "pkcs11:model=SoftHSM%20v2;object=my-key", ...more]
    expectRefusal(await device.tedge(words), "several tokens match", "token=one")
    expectRefusal(await device.tedge(["hsm", command, "pkcs11:object=my-key", ...more]), "several tokens match")
    expectRefusal(await device.tedge(["hsm", command, "pkcs11:token=none;object=my-key", ...more]), "No token matches")
    for (const token of [one, other]) expect(await keysOf(token)).toHaveLength(2)
  })

  it("is enough when attributes of the slot or the module come with it", async () => {
    const uri = "pkcs11:token=other;library-description=Implementation%20of%20PKCS11;object=my-key"
    const done = await device.tedge(["hsm", "delete-key", uri, "--force"])
    expect(done.code, done.stderr).toBe(0)
    expect([await keysOf(one), await keysOf(other)]).toMatchObject([{ length: 2 }, { length: 0 }])
  })
})

describe("tedge hsm change-pin", () => {
  const stored = () =>
    ["secrets.toml", "tedge.toml"].map((name) => readFileSync(join(device.configDir, name), "utf8")).join("")

  it.each(["", "p"])(
    "lets the PINs of clouds and profiles follow, when they are this token's: profile '%s'",
    async (profile) => {
      device = tedgeInProcess(tempDir(), { environment: { ...hsm.env, TEDGE_CLOUD_PROFILE: profile } })
      use(
        "",
        [
          `device.key_uri = "pkcs11:token=one"`,
          `[c8y.device]\nkey_uri = "pkcs11:token=other;object=my-key"\nkey_pin = "123456"`,
          `[c8y.profiles.p]\nurl = "x.example"\ndevice.key_uri = "pkcs11:serial=${other.serial}"\ndevice.key_pin = "123456"`,
          `[c8y.profiles.q]\nurl = "y.example"\ndevice.key_uri = "pkcs11:token=one"\ndevice.key_pin = "123456"`
        ].join("\n")
      )
      const words = ["hsm", "change-pin", "pkcs11:token=other", "--current-pin", "123456", "--new-pin", "9999"]
      const done = await device.tedge(words)
      expect(done.code, done.stderr).toBe(0)
      expect(done.stderr.match(/The setting \S+ was updated/g)).toEqual([
        "The setting c8y.device.key_pin was updated",
        "The setting c8y.profiles.p.device.key_pin was updated"
      ])
      expect(stored().match(/pin = "9999"/g)).toHaveLength(2)
      expect(stored().match(/pin = "123456"/g)).toHaveLength(2)
    }
  )

  it("stores the PIN of a URI apart from it, and changes it", async () => {
    const uri = (label: string) => `pkcs11:token=${label};object=my-key?pin-value=123456`
    use(
      "",
      [
        `device.key_uri = "${uri("one")}"`,
        `[c8y.device]\nkey_uri = "${uri("other")}"`,
        `[c8y.profiles.p]\nurl = "x.example"\ndevice.key_uri = "${uri("other")}"`
      ].join("\n")
    )
    const words = ["hsm", "change-pin", "pkcs11:token=other", "--current-pin", "123456", "--new-pin", "9999"]
    const done = await device.tedge(words)
    expect(done.code, done.stderr).toBe(0)
    expect(done.stderr).toContain("The PIN in c8y.device.key_uri was stored as c8y.device.key_pin.")
    expect(stored().match(/pin = "9999"/g)).toHaveLength(2)
    expect(stored().match(/pin-value=123456/g)).toHaveLength(1)
    expect(stored()).toContain(uri("one"))
  })

  it("is refused before the token is changed where the PIN of its URI cannot be stored apart", async () => {
    use(
      "",
      [
        `device.key_uri = "pkcs11:token=one;object=my-key?pin-value=123456"`,
        `[c8y.device]\nkey_uri = "pkcs11:token=other;object=my-key"`
      ].join("\n")
    )
    const before = readFileSync(join(device.configDir, "tedge.toml"), "utf8")
    const words = ["hsm", "change-pin", "pkcs11:token=one", "--current-pin", "123456", "--new-pin", "9999"]
    const done = await device.tedge(words)
    expect([done.code, done.stderr]).toEqual([1, expect.stringContaining("c8y")])
    expect(readFileSync(join(device.configDir, "tedge.toml"), "utf8")).toBe(before)
    expect((await device.tedge(["hsm", "list-keys", "pkcs11:token=one", "--pin", "123456"])).code).toBe(0)
  })

  it.each([
    [["--reset", "--current-pin", "1"], "'--current-pin' cannot be used with '--reset'"],
    [["--so-pin", "1"], "'--so-pin' is for use with '--reset' only"]
  ])("refuses options that are not meant together: %j", async (more, sentence) => {
    const changePin = ["hsm", "change-pin", "pkcs11:token=one", ...more, "--new-pin", "9999"]
    expectUsageError(await device.tedge(changePin), sentence)
    expect(await keysOf(one)).toHaveLength(2)
  })
})
