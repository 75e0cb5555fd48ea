/** `tedge hsm` through our tedge-p11-server whose own device.cryptoki.uri names one token. */
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { freshHost } from "../../../actors/cryptoki/host/fresh-host.ts"
import { type InProcess, tedgeInProcess } from "../../../support/device/tedge-in-process.ts"
import { makeTempDir, removeTempDir } from "../../../support/temp-dir.ts"
import { type SoftHsmDirectory, softhsmDirectory } from "../../../support/token/softhsm.ts"
import { expectRefusal } from "./expect-refusal.ts"
import { type SigningService, startSigningService } from "./signing-service.ts"

let place: string
let hsm: SoftHsmDirectory
let server: SigningService
let device: InProcess

beforeAll(freshHost)
beforeEach(() => {
  place = makeTempDir()
  hsm = softhsmDirectory()
  hsm.addToken({ label: "other" }).importKey({ label: "their-key" })
  mkdirSync(join(place, "device"))
  device = tedgeInProcess(join(place, "device"))
})
afterEach(async () => {
  await server.stop()
  hsm.cleanup()
  removeTempDir(place)
})

const serve = async (scope: string): Promise<void> => {
  const args = ["--pin", "123456", "--uri", scope]
  server = await startSigningService({ place, modulePath: hsm.modulePath, environment: hsm.env, args })
  device.settings(`[device.cryptoki]\nmode = "socket"\nsocket_path = "${server.socketPath}"\n`)
}

const init = (label: string) =>
  device.tedge(["hsm", "init", "--label", label, "--so-pin", "87654321", "--pin", "123456"])
const labels = async (): Promise<ReadonlyArray<string | undefined>> =>
  [...(await device.tedge(["hsm", "list-tokens"])).stdout.matchAll(/Label: +(.*)/g)].map(([, label]) => label)

describe("a signing service for a token that is not initialised yet", () => {
  it("shows the free slot, initialises it once with the label of the scope, and creates a key on it", async () => {
    await serve("pkcs11:token=device")
    expect(await labels()).toEqual(["<uninitialized>"])
    const made = await init("device")
    expect(made.code, made.stderr).toBe(0)
    expect(made.stdout).toMatch(/token=device$/m)
    const again = await init("device")
    expect([again.code, again.stdout]).toEqual([0, made.stdout])
    expect(await labels()).toEqual(["device", "<uninitialized>"])
    const created = await device.tedge(["hsm", "create-key", "--label", "key"])
    expect(created.code, created.stderr).toBe(0)
  })

  it("initialises nothing under another label", async () => {
    await serve("pkcs11:token=device")
    expectRefusal(
      await init("mine"),
      "is outside the scope of device.cryptoki.uri",
      "device.cryptoki.uri of tedge-p11-server"
    )
    expect(await labels()).toEqual(["<uninitialized>"])
  })
})

describe("a signing service whose scope names a missing token", () => {
  it.each([
    ["hsm", "list-keys", "pkcs11:token=other"],
    ["hsm", "delete-key", "pkcs11:token=other", "--label", "x", "--force"],
    ["hsm", "create-key", "pkcs11:token=other"],
    ["hsm", "change-pin", "pkcs11:token=other", "--current-pin", "123456", "--new-pin", "654321"],
    ["cert", "create", "--device-id", "dev"]
  ])("names the setting to %s %s, and no token outside of it", async (...words) => {
    await serve("pkcs11:token=gone")
    const refused = await device.tedge(words)
    expectRefusal(refused, "device.cryptoki.uri of tedge-p11-server", "device.cryptoki.uri")
    expect(refused.stderr).not.toMatch(/their-key|tokens found: .*token=other/)
  })
})
