/** A new key that would not be the one that is used is not made, and the setting that keeps it from that is named. */
import { mkdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { freshHost } from "../../../actors/cryptoki/host/fresh-host.ts"
import { type InProcess, tedgeInProcess } from "../../../support/device/tedge-in-process.ts"
import { tempDir } from "../../../support/temp-dir.ts"
import { type SoftHsmDirectory, type SoftHsmToken, softhsmDirectory } from "../../../support/token/softhsm.ts"
import { publicKeyOf } from "../cert/openssl.ts"
import { startSigningService } from "./signing-service.ts"

let dir: string
let hsm: SoftHsmDirectory
let token: SoftHsmToken
let device: InProcess

beforeAll(freshHost)
beforeEach(() => {
  dir = tempDir()
  hsm = softhsmDirectory()
  token = hsm.addToken({ label: "my-token", pin: "123456" })
  token.importKey({ label: "old", id: "01" })
})
afterEach(() => hsm.cleanup())

const useModule = (more: string, environment: Record<string, string> = {}) => {
  device = tedgeInProcess(dir, { environment: { ...hsm.env, ...environment } })
  device.settings(`${more}\n[device.cryptoki]\nmode = "module"\nmodule_path = "${hsm.modulePath}"\npin = "123456"\n`)
}
const create = (...words: ReadonlyArray<string>) => device.tedge(["cert", "create-key-hsm", ...words])
const keys = async (): Promise<ReadonlyArray<{ readonly label: string }>> =>
  JSON.parse((await device.tedge(["hsm", "list-keys", "--json", `pkcs11:serial=${token.serial}`])).stdout)

describe("device.cryptoki.uri that names a key", () => {
  it.each([
    ["by label", "pkcs11:token=my-token;object=old", "'pkcs11:token=my-token'"],
    ["by id", "pkcs11:token=my-token;id=%01", "'pkcs11:token=my-token'"],
    ["by both, and nothing else", "pkcs11:id=%01;object=old", "unset device.cryptoki.uri"]
  ])("%s: no key is made, and the hint lets one be made", async (_how, scope, remedy) => {
    useModule("")
    await device.set("device.cryptoki.uri", scope)
    const refused = await create("--label", "new")
    expect([refused.code, refused.stdout]).toEqual([1, ""])
    expect(refused.stderr).toContain("device.cryptoki.uri selects another key")
    expect(refused.stderr).toContain(remedy)
    expect((await keys()).map(({ label }) => label)).not.toContain("new")
    await device.set("device.cryptoki.uri", remedy.startsWith("'") ? remedy.slice(1, -1) : "")
    const made = await create("--label", "new", "--outfile-pubkey", join(dir, "new.pub"))
    expect(made.code, made.stderr).toBe(0)
    const certified = await device.tedge(["cert", "create", "--device-id", "d"])
    expect(certified.code, certified.stderr).toBe(0)
    expect(publicKeyOf(readFileSync(device.certPath, "utf8"))).toBe(readFileSync(join(dir, "new.pub"), "utf8"))
  })

  it("lets a key be made that fits it", async () => {
    useModule("")
    await device.set("device.cryptoki.uri", "pkcs11:token=my-token;object=new")
    expect((await create("--label", "new")).code).toBe(0)
  })
})

describe("device.cryptoki.uri of tedge-p11-server", () => {
  it.each([
    ["names a key that is there", "pkcs11:token=my-token;object=old"],
    ["names a key that is not there yet", "pkcs11:token=my-token;object=another"]
  ])("%s: no key is made, and the hint says whose setting it is", async (_what, scope) => {
    const place = join(dir, "server")
    mkdirSync(place)
    const server = await startSigningService({
      place,
      modulePath: hsm.modulePath,
      environment: { ...hsm.env, TEDGE_DEVICE_CRYPTOKI_URI: scope, TEDGE_DEVICE_CRYPTOKI_PIN: "123456" }
    })
    device = tedgeInProcess(dir)
    device.settings(`[device.cryptoki]\nmode = "socket"\nsocket_path = "${server.socketPath}"\n`)
    const refused = await create(`pkcs11:serial=${token.serial}`, "--label", "new")
    await server.stop()
    expect([refused.code, refused.stdout]).toEqual([1, ""])
    expect(refused.stderr).toContain("device.cryptoki.uri")
    expect(refused.stderr).toContain("systemctl restart tedge-p11-server")
    useModule("")
    expect((await keys()).map(({ label }) => label)).not.toContain("new")
  })
})

describe("another setting that takes precedence", () => {
  it("from the environment: no key is made", async () => {
    useModule("", { TEDGE_DEVICE_KEY_URI: "pkcs11:token=my-token;object=old" })
    const refused = await create("--label", "new")
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringContaining("the environment variable TEDGE_DEVICE_KEY_URI overrides the setting device.key_uri")
    ])
  })

  it("of a cloud is reported: that cloud continues to use its own key", async () => {
    useModule('[c8y.device]\nkey_uri = "pkcs11:token=my-token;object=old"')
    const done = await create("--label", "new")
    expect(done.code, done.stderr).toBe(0)
    expect(done.stderr).toContain("warning: c8y.device.key_uri names another key; that one stays in use there")
    expect(done.stderr).not.toContain("az.device.key_uri")
  })
})
