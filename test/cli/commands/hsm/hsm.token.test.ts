/** `tedge hsm` and `tedge cert create-key-hsm` on SoftHSM2, run as a person runs them. */
import { readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest"
import { mustRun, run } from "../../../../scripts/lib/run.mjs"
import { freshHost } from "../../../actors/cryptoki/host/fresh-host.ts"
import { executable } from "../../../support/device/device.ts"
import { type TedgeDevice, tedgeDevice } from "../../../support/device/tedge-device.ts"
import { makeTempDir, removeTempDir } from "../../../support/temp-dir.ts"

let home: string
let device: TedgeDevice

beforeAll(freshHost)

beforeEach(async () => {
  home = makeTempDir()
  device = await tedgeDevice(home)
})

afterEach(() => {
  device.hsm.cleanup()
  removeTempDir(home)
})

const oneToken = async () => {
  const token = device.hsm.addToken({ label: "my-token", pin: "123456" })
  await device.set({ "device.cryptoki.pin": "123456" })
  return token
}

describe("tedge hsm init", () => {
  it("makes an empty token usable, prints its URI, and does not touch it a second time", async () => {
    const first = await device.tedge(["hsm", "init", "--label", "tök;1%", "--so-pin", "87654321", "--pin", "123456"])
    expect(first.code).toBe(0)
    expect(first.stdout).toMatch(
      /^pkcs11:model=SoftHSM%20v2;manufacturer=SoftHSM%20project;serial=\w+;token=t%C3%B6k%3B1%25\n$/
    )
    const second = await device.tedge(["hsm", "init", "--label", "tök;1%", "--so-pin", "1111", "--pin", "2222"])
    expect([second.code, second.stdout]).toEqual([0, first.stdout])
    expect(second.stderr).toContain("The token 'tök;1%' is already initialised; nothing was changed.")
    expect(second.stderr).toContain("the token keeps its PINs: --so-pin and --pin had no effect")
    const keys = await device.tedge(["hsm", "list-keys", "--pin", "123456"])
    expect(keys.code).toBe(0)
  })

  it("refuses to initialise a token that was initialised under another label", async () => {
    const token = await oneToken()
    const done = await device.tedge([
      "hsm",
      "init",
      `pkcs11:serial=${token.serial}`,
      "--label",
      "other",
      "--so-pin",
      "1",
      "--pin",
      "1"
    ])
    expect(done.code).toBe(1)
    expect(done.stderr).toContain("Refusing to reinitialize")
  })

  it("asks for the PINs twice, from a pipe too, and changes nothing when they differ", async () => {
    const differing = await device.tedge(["hsm", "init"], "87654321\n87654321\n1234\n4321\n")
    expect(differing.code).toBe(1)
    expect(differing.stderr).toContain("entries differ; nothing was changed")
    expect((await device.tedge(["hsm", "list-tokens"])).stdout).toContain("<uninitialized>")
    const same = await device.tedge(["hsm", "init"], "87654321\n87654321\n1234\n1234\n")
    expect(same.code).toBe(0)
    expect(same.stdout).toContain("token=tedge")
  })
})

describe("tedge hsm init with a PIN in the settings", () => {
  const opens = async (pin: string) => (await device.tedge(["hsm", "list-keys", "--pin", pin])).code
  const reset = async (soPin: string) =>
    (await device.tedge(["hsm", "change-pin", "--reset", "--so-pin", soPin, "--new-pin", "999999"])).code

  it("uses it for the token, and for the SO PIN without a terminal", async () => {
    await device.set({ "device.cryptoki.pin": "246810" })
    const done = await device.tedge(["hsm", "init"])
    expect(done.code, done.stderr).toBe(0)
    expect(done.stderr).toContain("The user PIN is the one of device.cryptoki.pin.")
    expect(`${done.stdout}${done.stderr}`).not.toContain("246810")
    expect([await opens("246810"), await reset("246810")]).toEqual([0, 0])
  })

  it("takes an SO PIN that is typed or given beside it", async () => {
    await device.set({ "device.cryptoki.pin": "246810" })
    expect((await device.tedge(["hsm", "init"], "87654321\n87654321\n")).code).toBe(0)
    expect([await opens("246810"), await reset("87654321")]).toEqual([0, 0])
  })

  it("an option takes precedence over it", async () => {
    await device.set({ "device.cryptoki.pin": "246810" })
    const done = await device.tedge(["hsm", "init", "--so-pin", "87654321", "--pin", "135791"])
    expect(done.code, done.stderr).toBe(0)
    expect(done.stderr).toContain("the PIN is not in the settings yet")
    expect(await opens("135791")).toBe(0)
  })
})

describe("tedge --debug", () => {
  it("shows each call of the module: function, code and time, never data or a PIN", async () => {
    const token = await oneToken()
    token.importKey({ label: "secretive-label", id: "0102" })
    const words = ["--config-dir", device.dir, "--debug", "hsm", "list-keys", "--json"]
    const env = { ...process.env, ...device.hsm.env }
    const { code, stdout, stderr } = await run(executable("tedge"), words, { env })
    expect(code, stderr).toBe(0)
    expect(JSON.parse(stdout)).toHaveLength(2)
    const calls = stderr.split("\n").filter((line) => line.includes("C_"))
    for (const call of calls) expect(call).toMatch(/C_\w+ CKR_\w+ \d+\.\d ms$/)
    for (const name of ["C_Initialize", "C_OpenSession", "C_Login", "C_FindObjects"])
      expect(calls.filter((line) => line.includes(`${name} CKR_OK `))).not.toEqual([])
    for (const secret of ["123456", "secretive-label", "0102", Buffer.from("123456").toString("hex")])
      expect(calls.filter((line) => line.replace(/^\S+|[\d.]+ ms$/g, "").includes(secret))).toEqual([])
    const wrong = await run(executable("tedge"), [...words, "--pin", "wrong-pin"], { env })
    expect(wrong.stderr).toMatch(/C_Login CKR_PIN_INCORRECT \d+\.\d ms$/m)
    expect(`${wrong.stdout}${wrong.stderr}`).not.toContain("wrong-pin")
    const quiet = await run(
      executable("tedge"),
      words.filter((word) => word !== "--debug"),
      { env }
    )
    expect(quiet.stderr).not.toContain("C_")
  })
})

describe("tedge cert create-key-hsm", () => {
  it.each([
    ["ecdsa", ["--curve", "p256"], "Public-Key: (256 bit)"],
    ["ecdsa", ["--curve", "p384"], "Public-Key: (384 bit)"],
    ["rsa", ["--bits", "2048"], "Public-Key: (2048 bit)"]
  ])("makes a %s key %j whose public key openssl reads, and selects it", async (type, size, expected) => {
    await oneToken()
    const file = join(home, "key.pub")
    const done = await device.tedge([
      "cert",
      "create-key-hsm",
      "--type",
      type,
      ...size,
      "--label",
      "my key",
      "--outfile-pubkey",
      file
    ])
    expect(done.code).toBe(0)
    expect(done.stdout).toMatch(
      /^New keypair was successfully created\.\nKey URI: (pkcs11:model=[^;]+;manufacturer=[^;]+;serial=\w+;token=my-token;id=(%[0-9A-F]{2}){20};object=my%20key)\nPublic key:\n-----BEGIN PUBLIC KEY-----\n[\s\S]+-----END PUBLIC KEY-----\n\n\nValue of `device\.key_uri` was updated to point to the new key\n$/
    )
    const uri = /Key URI: (.*)\n/.exec(done.stdout)?.[1]
    expect((await device.tedge(["config", "get", "device.key_uri"])).stdout).toBe(`${uri}\n`)
    expect(done.stdout).toContain(readFileSync(file, "utf8"))
    const shown = await mustRun("openssl", ["pkey", "-pubin", "-in", file, "-noout", "-text"])
    expect(shown.stdout).toContain(expected)
  })

  it("refuses an id that is taken, options that exclude each other and a bad id, before a key is made", async () => {
    const token = await oneToken()
    token.importKey({ label: "old", id: "0102" })
    const before = (await device.tedge(["hsm", "list-keys"])).stdout
    const taken = await device.tedge(["cert", "create-key-hsm", "--id", "01:02"])
    expect([taken.code, taken.stderr]).toEqual([
      1,
      expect.stringContaining("Object with this id already exists on the token")
    ])
    for (const [code, ...words] of [
      [2, "--type", "ecdsa", "--bits", "2048"],
      [2, "--type", "rsa", "--curve", "p256"],
      [2, "--id", "0x01"],
      [2, "--id", "012"],
      [1, "--outfile-pubkey", "/no/such/folder/x"]
    ] as const)
      expect((await device.tedge(["cert", "create-key-hsm", ...words])).code, words.join(" ")).toBe(code)
    expect((await device.tedge(["hsm", "list-keys"])).stdout).toBe(before)
  })

  it("writes the URI to the setting of the cloud and profile that are named, wherever the options stand", async () => {
    await oneToken()
    await device.set({ "c8y.profiles.prod.url": "prod.example" })
    const ofScripts = ["--force-new", "--token-label", "my-token", "--so-pin", "87654321"]
    const done = await device.tedge([
      "cert",
      "create-key-hsm",
      "--label",
      "k",
      ...ofScripts,
      "c8y",
      "--profile",
      "prod"
    ])
    expect(done.stdout).toContain("Value of `c8y.profiles.prod.device.key_uri` was updated")
    const stored = await device.tedge(["config", "get", "c8y.device.key_uri", "--profile", "prod"])
    expect(stored.stdout).toContain("object=k")
    expect((await device.tedge(["config", "get", "device.key_uri"])).code).toBe(1)
  })

  it("lists the tokens and ends with 1 when it cannot know which is meant", async () => {
    device.hsm.addToken({ label: "one" })
    device.hsm.addToken({ label: "two" })
    const done = await device.tedge(["cert", "create-key-hsm"])
    expect(done.code).toBe(1)
    expect(done.stderr).toContain("token=one")
    expect(done.stderr).toContain("token=two")
  })

  it("says that a PIN given as an option was not stored", async () => {
    device.hsm.addToken({ label: "my-token", pin: "4711" })
    const done = await device.tedge(["hsm", "create-key", "--pin", "4711"])
    expect(done.code).toBe(0)
    expect(done.stderr).toContain("the PIN was not written to the settings")
    expect(readFileSync(join(device.dir, "tedge.toml"), "utf8")).not.toContain("4711")
  })

  it("tries a wrong PIN once, and not again", async () => {
    device.hsm.addToken({ label: "my-token", pin: "4711" })
    const first = await device.tedge(["hsm", "create-key", "--pin", "0000"])
    expect([first.code, first.stderr]).toEqual([1, expect.stringContaining("The specified PIN is incorrect")])
    const second = await device.tedge(["hsm", "create-key", "--pin", "0000"])
    expect(second.stderr).toContain("was not tried again")
    expect(`${first.stderr}${second.stderr}`).not.toContain("0000")
    await device.tedge(["hsm", "clear-pin-latch"])
    expect((await device.tedge(["hsm", "create-key", "--pin", "4711"])).code).toBe(0)
  })
})

describe("tedge hsm list-keys", () => {
  it("filters by label and id, in the URI or by option but not by both, and prints JSON for scripts", async () => {
    const token = await oneToken()
    token.importKey({ label: "a", id: "01" })
    token.importKey({ label: "b", id: "02" })
    const all = JSON.parse((await device.tedge(["hsm", "list-keys", "--json"])).stdout)
    expect(all).toHaveLength(4)
    const one = JSON.parse((await device.tedge(["hsm", "list-keys", "pkcs11:object=b", "--json"])).stdout)
    expect(one.map((key: { id: string }) => key.id)).toEqual(["02", "02"])
    expect((await device.tedge(["hsm", "list-keys", "--id", "ff"])).stderr).toContain(
      "No keys matching the given filters"
    )
    expect((await device.tedge(["hsm", "list-keys", "pkcs11:object=b", "--label", "b"])).code).toBe(2)
  })
})

describe("tedge hsm delete-key", () => {
  it("shows the key, asks, and deletes both halves only after a yes", async () => {
    const token = await oneToken()
    token.importKey({ label: "a", id: "01" })
    const no = await device.tedge(["hsm", "delete-key", "--id", "01"], "n\n")
    expect([no.code, no.stderr]).toEqual([0, expect.stringContaining("Aborted; no keys were deleted.")])
    const nobody = await device.tedge(["hsm", "delete-key", "--id", "01"], "")
    expect([nobody.code, nobody.stderr]).toEqual([1, expect.stringContaining("--force")])
    const yes = await device.tedge(["hsm", "delete-key", "--id", "01"], "y\n")
    expect([yes.code, yes.stderr]).toEqual([0, expect.stringContaining("Deleted 2 object(s)")])
    expect((await device.tedge(["hsm", "delete-key", "--id", "01"], "y\n")).stderr).toContain("nothing to delete")
  })

  it("refuses the key of any cloud or profile, however its URI is written", async () => {
    const token = await oneToken()
    token.importKey({ label: "a", id: "01" })
    await device.set({ "c8y.profiles.prod.device.key_uri": `pkcs11:id=%01;serial=${token.serial}` })
    const done = await device.tedge(["hsm", "delete-key", "--label", "a", "--force"])
    expect([done.code, done.stderr]).toEqual([1, expect.stringContaining("c8y.profiles.prod.device.key_uri")])
    expect(done.stderr).not.toContain("az.device.key_uri")
  })

  it("will not guess between two keys, nor delete without being told which", async () => {
    const token = await oneToken()
    token.importKey({ label: "same", id: "01" })
    token.importKey({ label: "same", id: "02" })
    expect((await device.tedge(["hsm", "delete-key", "--label", "same", "--force"])).stderr).toContain(
      "several keys match"
    )
    expect(await device.tedge(["hsm", "delete-key", "--force"])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("which key?")
    })
  })
})

describe("tedge hsm change-pin", () => {
  it("changes the PIN, and the stored PIN of that very token follows", async () => {
    await oneToken()
    const done = await device.tedge(["hsm", "change-pin"], "123456\n7777\n7777\n")
    expect([done.code, done.stderr]).toEqual([
      0,
      expect.stringContaining("The setting device.cryptoki.pin was updated.")
    ])
    expect((await device.tedge(["config", "get", "device.cryptoki.pin"])).stdout).toBe("7777\n")
    expect((await device.tedge(["hsm", "list-keys"])).code).toBe(0)
    expect(statSync(join(device.dir, "secrets.toml")).mode & 0o777).toBe(0o640)
  })

  it("leaves the stored PIN of another token alone", async () => {
    const token = await oneToken()
    const other = device.hsm.addToken({ label: "other", pin: "123456" })
    await device.set({ "device.key_uri": `pkcs11:serial=${token.serial}` })
    const uri = `pkcs11:serial=${other.serial}`
    const done = await device.tedge(["hsm", "change-pin", uri, "--current-pin", "123456", "--new-pin", "7777"])
    expect(done.code).toBe(0)
    expect((await device.tedge(["config", "get", "device.cryptoki.pin"])).stdout).toBe("123456\n")
  })

  it("resets it by the SO PIN", async () => {
    const token = await oneToken()
    const done = await device.tedge(["hsm", "change-pin", "--reset", "--so-pin", token.soPin, "--new-pin", "8888"])
    expect([done.code, done.stderr]).toEqual([0, expect.stringContaining("was reset")])
    expect((await device.tedge(["hsm", "list-keys", "--pin", "8888"])).code).toBe(0)
  })
})

describe("tedge hsm doctor", () => {
  // It looks whether the user may use the module's files: these, not /etc/softhsm, which is closed to most users.
  beforeEach(() => {
    for (const [name, value] of Object.entries(device.hsm.env)) vi.stubEnv(name, value)
  })
  afterEach(() => void vi.unstubAllEnvs())

  it("finds nothing wrong with token, key and certificate that fit, and says what is missing else", async () => {
    await oneToken()
    await device.tedge(["cert", "create-key-hsm"])
    await device.tedge(["cert", "create", "--device-id", "dev"])
    const done = await device.tedge(["hsm", "doctor", "--json"])
    const checks: ReadonlyArray<{ name: string; ok: boolean }> = JSON.parse(done.stdout)
    expect(checks.filter((check) => !check.ok).map((check) => check.name)).toEqual(["cloud", "local broker", "mapper"])
    expect(checks.map((check) => check.name)).toContain("signature verifies")
    expect(done.code).toBe(1)
  })

  it("reports a certificate whose key is not on the token", async () => {
    await oneToken()
    await device.tedge(["cert", "create-key-hsm", "--label", "first"])
    await device.tedge(["cert", "create", "--device-id", "dev"])
    await device.tedge(["cert", "create-key-hsm", "--label", "newer"])
    expect((await device.tedge(["hsm", "delete-key", "--label", "first", "--force"])).code).toBe(0)
    const done = await device.tedge(["hsm", "doctor"])
    expect(done.stdout).toContain("✗ certificate is for the key")
  })
})

describe("without a way to a token", () => {
  it("every command says which setting is missing", async () => {
    await device.set({ "device.cryptoki.mode": "off" })
    for (const words of [
      ["hsm", "list-tokens"],
      ["hsm", "list-keys"],
      ["cert", "create-key-hsm"],
      ["hsm", "init"]
    ]) {
      const done = await device.tedge(words)
      expect([done.code, done.stderr]).toEqual([1, expect.stringContaining("device.cryptoki.mode")])
    }
  })
})
