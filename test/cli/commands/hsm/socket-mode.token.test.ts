/** The commands of keys and certificates through tedge-p11-server: the same words, the same outcome. */
import { existsSync, mkdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { Redacted } from "effect"
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import type { Frame } from "../../../../src/messages/wire/frame1.ts"
import { freshHost } from "../../../actors/cryptoki/host/fresh-host.ts"
import { ask } from "../../../actors/p11-server/served.ts"
import { type InProcess, tedgeInProcess } from "../../../support/device/tedge-in-process.ts"
import { makeTempDir, removeTempDir } from "../../../support/temp-dir.ts"
import { type SoftHsmDirectory, type SoftHsmToken, softhsmDirectory } from "../../../support/token/softhsm.ts"
import { checkedRequest, checkedSelfSigned, publicKeyOf } from "../cert/openssl.ts"
import { expectRefusal } from "./expect-refusal.ts"
import { type SigningService, startSigningService } from "./signing-service.ts"

let place: string
let hsm: SoftHsmDirectory
let token: SoftHsmToken
let guarded: SoftHsmToken
let server: SigningService
let device: InProcess
let dir: string

const socketPath = () => server.socketPath

beforeAll(async () => {
  await freshHost()
  place = makeTempDir()
  hsm = softhsmDirectory()
  token = hsm.addToken({ label: "my-token" })
  guarded = hsm.addToken({ label: "guarded", pin: "987654" })
  hsm.addToken({ label: "refusing" })
  server = await startSigningService({ place, modulePath: hsm.modulePath, environment: hsm.env })
})

afterAll(async () => {
  await server.stop()
  hsm.cleanup()
  removeTempDir(place)
})

let count = 0
beforeEach(() => {
  dir = join(place, `device-${++count}`)
  mkdirSync(dir)
  device = tedgeInProcess(dir)
  useSocket(socketPath())
})

const useSocket = (path: string, more = "") =>
  device.settings(`${more}\n[device.cryptoki]\nmode = "socket"\nsocket_path = "${path}"\n`)

const onToken = () => `pkcs11:serial=${token.serial}`
const read = (path: string) => readFileSync(path, "utf8")

describe("keys through the signing service", () => {
  it.each([
    ["ecdsa", ["--curve", "p384"], "ecdsa-with-SHA384"],
    ["rsa", ["--bits", "2048"], "sha256WithRSAEncryption"]
  ])("a %s key is made, shown, selected, certified and deleted", async (type, size, algorithm) => {
    const out = join(dir, "key.pub")
    const made = await device.tedge(
      ["cert", "create-key-hsm", onToken(), "--type", type, ...size].concat([
        "--label",
        `my ${type}`,
        "--outfile-pubkey",
        out
      ])
    )
    expect(made.code, made.stderr).toBe(0)
    expect(made.stdout).toMatch(
      /^New keypair was successfully created\.\nKey URI: pkcs11:model=\S+;id=(%[0-9A-F]{2}){20};object=my%20\w+\n/
    )
    const listed = JSON.parse(
      (await device.tedge(["hsm", "list-keys", onToken(), "--label", `my ${type}`, "--json"])).stdout
    )
    expect(listed.map((key: { class: string }) => key.class).sort()).toEqual(["private", "public"])
    const created = await device.tedge(["cert", "create", "--device-id", "dev"])
    expect(created.code, created.stderr).toBe(0)
    await checkedSelfSigned(device.certPath)
    expect(publicKeyOf(read(device.certPath))).toBe(read(out))
    await device.tedge(["cert", "create-csr"])
    expect(await checkedRequest(device.csrPath)).toContain(`Signature Algorithm: ${algorithm}`)
    expect((await device.tedge(["cert", "renew"])).code).toBe(0)
    const deletion = ["hsm", "delete-key", onToken(), "--label", `my ${type}`, "--force"]
    const inUse = await device.tedge(deletion)
    expect([inUse.code, inUse.stderr]).toEqual([1, expect.stringContaining("is the key of device.key_uri")])
    useSocket(socketPath())
    const deleted = await device.tedge(deletion)
    expect([deleted.code, deleted.stdout.split("\n").length], deleted.stderr).toEqual([0, 3])
  })

  it("a key is made for the profile that is named, and refused for an id that is taken", async () => {
    useSocket(socketPath(), '[c8y.profiles.p]\nurl = "x.example"\ndevice.id = "p-dev"\n')
    const made = await device.tedge(["cert", "create-key-hsm", onToken(), "--id", "0a:0b", "c8y", "--profile", "p"])
    expect([made.code, made.stdout], made.stderr).toEqual([
      0,
      expect.stringContaining("Value of `c8y.profiles.p.device.key_uri` was updated")
    ])
    const created = await device.tedge(["cert", "create", "c8y", "--profile", "p"])
    expect([created.code, created.stdout], created.stderr).toEqual([0, expect.stringContaining("CN=p-dev")])
    expectRefusal(
      await device.tedge(["hsm", "create-key", onToken(), "--id", "0A0B"]),
      "Object with this id already exists"
    )
  })

  it("the doctor finds nothing wrong on the way to the token", async () => {
    token.importKey({ label: "doctored", id: "dd" })
    useSocket(socketPath(), 'device.key_uri = "pkcs11:token=my-token;object=doctored"\n')
    const done = await device.tedge(["hsm", "doctor", "--json"])
    const checks: ReadonlyArray<{ name: string; ok: boolean }> = JSON.parse(done.stdout)
    const failed = checks.filter(({ ok }) => !ok).map(({ name }) => name)
    expect(failed).toEqual(["certificate", "cloud", "local broker", "mapper"])
    expect(checks.map(({ name }) => name)).toContain("signature verifies")
  })
})

describe("tokens through the signing service", () => {
  it("an empty one is initialised once, and its PIN changed", async () => {
    const init = ["hsm", "init", "--label", "over the wire", "--so-pin", "87654321", "--pin", "4711"]
    const first = await device.tedge(init)
    expect(first.code, first.stderr).toBe(0)
    const uri = first.stdout.trim()
    expect(uri).toMatch(/token=over%20the%20wire$/)
    expect((await device.tedge(init)).stdout).toBe(first.stdout)
    const change = ["hsm", "change-pin", uri, "--current-pin", "4711", "--new-pin", "0815"]
    const changed = await device.tedge(change)
    expect(changed).toMatchObject({ code: 0, stderr: expect.stringContaining("was changed") })
    expect(changed.stderr).toContain("no stored PIN was changed that tedge-p11-server reads: change its PIN where")
    expect(changed.stderr).toContain("TEDGE_DEVICE_CRYPTOKI_PIN in its environment")
    expect((await device.tedge(["hsm", "list-keys", uri, "--pin", "0815"])).code).toBe(0)
    const reset = ["hsm", "change-pin", uri, "--reset", "--so-pin", "87654321", "--new-pin", "123456"]
    expect(await device.tedge(reset)).toMatchObject({ code: 0, stderr: expect.stringContaining("was reset") })
  })

  it.each([
    { by: ["--current-pin", "0000"], says: "refused the PIN it was given (--current-pin" },
    { by: ["--reset", "--so-pin", "00000000"], says: "the token refused this SO PIN" }
  ])("a wrong $by.0 to change the PIN is said once", async ({ by, says }) => {
    const words = ["hsm", "change-pin", "pkcs11:token=refusing", ...by, "--new-pin", "4711"]
    const { code, stderr } = await device.tedge(words)
    expect(code).toBe(1)
    for (const once of [says, "The specified PIN is incorrect", "PKCS #11 service failed", "token 'refusing'"])
      expect(stderr.split(once), once).toHaveLength(2)
  })

  it("a repeated request to initialise is answered with the same token, whose PINs are kept", async () => {
    const request = (uri: string | undefined, pin: string): Frame => ({
      _tag: "InitTokenRequest",
      label: "asked twice",
      uri,
      pin: Redacted.make(pin),
      soPin: Redacted.make("87654321")
    })
    const first = await ask(socketPath(), request(undefined, "4711"))
    expect(first).toMatchObject({ _tag: "InitTokenResponse", uri: expect.stringContaining("token=asked%20twice") })
    const uri = first._tag === "InitTokenResponse" ? first.uri : ""
    expect(await ask(socketPath(), request(undefined, "9999"))).toEqual(first)
    expect(await ask(socketPath(), request(uri, "9999"))).toEqual(first)
    expect((await device.tedge(["hsm", "list-keys", uri, "--pin", "4711"])).code).toBe(0)
    const { stdout } = await device.tedge(["hsm", "list-tokens"])
    expect(stdout.match(/asked twice/g)).toHaveLength(1)
  })

  it("a URI with an attribute that PKCS#11 does not have, or the slot of another day, says why nothing matches", async () => {
    useSocket(socketPath(), 'device.key_uri = "pkcs11:tokn=my-token;object=doctored"\ndevice.id = "dev"')
    expectRefusal(
      await device.tedge(["cert", "create"]),
      "(no token or key has the attribute 'tokn', which PKCS#11 URIs do not have)"
    )
    useSocket(socketPath(), 'device.key_uri = "pkcs11:slot-id=4711;object=doctored"\ndevice.id = "dev"')
    expectRefusal(
      await device.tedge(["cert", "create"]),
      "(slot numbers change when tokens are added or removed: name the token by token or serial instead of slot-id)"
    )
  })

  it("a wrong PIN is reported and not retried", async () => {
    const list = ["hsm", "list-keys", `pkcs11:serial=${guarded.serial}`, "--pin", "0000"]
    expectRefusal(await device.tedge(list), "The specified PIN is incorrect")
    expectRefusal(
      await device.tedge(list),
      "was not tried again",
      "(--pin), .*; if this is it: tedge hsm clear-pin-latch"
    )
  })

  it("none or several that could be meant are listed", async () => {
    const done = await device.tedge(["cert", "create-key-hsm"])
    expect([done.code, done.stderr]).toEqual([1, expect.stringContaining("token=my-token")])
  })
})

describe("without the signing service", () => {
  it("every command says where it was looked for, and leaves no file behind", async () => {
    useSocket(join(dir, "none.sock"))
    for (const words of [
      ["hsm", "list-tokens"],
      ["cert", "create-key-hsm"],
      ["cert", "create", "--device-id", "d"],
      ["cert", "create-csr", "--device-id", "d"]
    ])
      expectRefusal(await device.tedge(words), `'${join(dir, "none.sock")}'`, "start it")
    expect(existsSync(device.certPath)).toBe(false)
  })
})
