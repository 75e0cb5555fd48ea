/** `tedge hsm clear-pin-latch` in socket mode: the running tedge-p11-server tries the PIN again. */
import { spawnSync } from "node:child_process"
import { chmodSync, cpSync, mkdirSync, readdirSync, renameSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { freshHost } from "../../../actors/cryptoki/host/fresh-host.ts"
import { root } from "../../../docs/commands.ts"
import { type InProcess, tedgeInProcess } from "../../../support/device/tedge-in-process.ts"
import { makeTempDir, removeTempDir } from "../../../support/temp-dir.ts"
import { type ScriptedModule, scriptedModule } from "../../../support/token/scripted-module.ts"
import { type SoftHsmDirectory, type SoftHsmToken, softhsmDirectory } from "../../../support/token/softhsm.ts"
import { expectRefusal } from "./expect-refusal.ts"
import { type SigningService, startSigningService } from "./signing-service.ts"

let place: string
let hsm: SoftHsmDirectory
let token: SoftHsmToken
let module: ScriptedModule
let server: SigningService
let device: InProcess

beforeAll(freshHost)

beforeEach(async () => {
  place = makeTempDir()
  hsm = softhsmDirectory()
  token = hsm.addToken({ label: "my-token" })
  module = scriptedModule(hsm.modulePath)
  server = await startSigningService({
    place,
    modulePath: module.modulePath,
    environment: hsm.env,
    args: ["--pin", "123456", "--socket-mode", "666"]
  })
  mkdirSync(join(place, "device"))
  device = tedgeInProcess(join(place, "device"), { environment: { TEDGE_RUN_PATH: server.runPath } })
  device.settings(`[device.cryptoki]\nmode = "socket"\nsocket_path = "${server.socketPath}"\n`)
})

afterEach(async () => {
  await server.stop()
  module.cleanup()
  hsm.cleanup()
  removeTempDir(place)
})

const latchDirectory = () => join(server.runPath, "tedge-pin-latch")
const records = () => readdirSync(latchDirectory()).filter((name) => name.endsWith(".json"))
const listKeys = () => device.tedge(["hsm", "list-keys"])
const clear = (...words: ReadonlyArray<string>) => device.tedge(["hsm", "clear-pin-latch", ...words])

/** A copy of the executables: the checkout may be where only its owner may look. */
const programsForEverybody = (dir: string): string => {
  for (const folder of ["bin", "dist"]) cpSync(join(root, folder), join(dir, folder), { recursive: true })
  return join(dir, "bin")
}

/** Root switches to nobody; other users only lose the permission to write. */
const someoneWithoutPermission = (): { readonly uid?: number; readonly gid?: number } => {
  if (process.getuid?.() === 0) return { uid: 65534, gid: 65534 }
  chmodSync(latchDirectory(), 0o555)
  return {}
}

/** The PIN the service is started with is not that of the token, until `module.reset()`. */
const refuseOnce = async () => {
  module.set({ C_Login: { code: "CKR_PIN_INCORRECT" } })
  expectRefusal(await listKeys(), "The specified PIN is incorrect")
  expect(records()).toHaveLength(1)
}

describe("tedge hsm clear-pin-latch through tedge-p11-server", () => {
  it("has the service try its PIN again, without a restart", async () => {
    await refuseOnce()
    module.reset()
    expect((await listKeys()).stderr).toContain("was not tried again")
    expect(module.calls("C_Login")).toBe(1)
    const done = await clear()
    expect([done.code, done.stdout]).toEqual([0, ""])
    expect(done.stderr).toMatch(/PINs of token 'pkcs11:\S+token=my-token' may be tried again\.\n$/)
    expect(records()).toEqual([])
    const listed = await listKeys()
    expect(listed.code, listed.stderr).toBe(0)
    expect([module.calls("C_Login"), server.isRunning()]).toEqual([2, true])
  })

  it("lifts the latch of the SO PIN as well, and of no other token", async () => {
    hsm.addToken({ label: "other", pin: "4711" })
    const uri = `pkcs11:serial=${token.serial}`
    const reset = (pin: string) =>
      device.tedge(["hsm", "change-pin", uri, "--reset", "--so-pin", pin, "--new-pin", "123456"])
    expectRefusal(await reset("00000000"), "PIN")
    expectRefusal(await reset("00000000"), "was not tried again")
    expectRefusal(await device.tedge(["hsm", "list-keys", "pkcs11:token=other"]), "The specified PIN is incorrect")
    expect(records()).toHaveLength(2)
    expect((await clear(uri)).code).toBe(0)
    expect(records()).toHaveLength(1)
    const done = await reset(token.soPin)
    expect(done.code, done.stderr).toBe(0)
    expect((await device.tedge(["hsm", "list-keys", "pkcs11:token=other"])).stderr).toContain("was not tried again")
  })

  it("says that nothing is remembered, and where else it could be", async () => {
    await refuseOnce()
    await clear()
    const again = await clear()
    expect([again.code, again.stderr]).toEqual([0, expect.stringContaining("is remembered here; nothing was changed")])
    expect(again.stderr).toContain("run the command there")
  })

  it("refuses where the service keeps its records elsewhere, and says where to run it", async () => {
    await refuseOnce()
    renameSync(latchDirectory(), `${latchDirectory()}-elsewhere`)
    expectRefusal(
      await clear(),
      `token 'my-token': refused PINs are not remembered in '${latchDirectory()}' of this machine`,
      "run it as root where tedge-p11-server runs"
    )
  })

  it("will not guess between two tokens, and knows those that are there", async () => {
    hsm.addToken({ label: "other" })
    expectRefusal(await clear(), "No token URL was provided", "give one of them as TOKEN")
    expectRefusal(await clear("pkcs11:model=SoftHSM%20v2"), "several tokens match", "token=other")
    expectRefusal(await clear("pkcs11:token=none"), "No token matches 'pkcs11:token=none'", "token=my-token")
  })

  // Only root can switch to another user.
  it("tells a user without permission whom to run it as", async () => {
    await refuseOnce()
    for (const dir of [place, server.runPath]) chmodSync(dir, 0o755)
    const configDir = join(place, "their-config")
    mkdirSync(configDir)
    const toml = `run.path = "${server.runPath}"\n[config]\nversion = "2"\n[device.cryptoki]\nmode = "socket"\nsocket_path = "${server.socketPath}"\n`
    writeFileSync(join(configDir, "tedge.toml"), toml)
    const program = join(programsForEverybody(place), "tedge")
    const done = spawnSync(program, ["hsm", "clear-pin-latch", "--config-dir", configDir], {
      ...someoneWithoutPermission(),
      encoding: "utf8"
    })
    chmodSync(latchDirectory(), 0o755)
    expect([done.status, done.stdout]).toEqual([1, ""])
    expect(done.stderr).toContain(
      `error: token 'my-token': this user may not change '${latchDirectory()}', where refused PINs are remembered\nhint: run it as root, or as the user of the service: sudo tedge hsm clear-pin-latch 'pkcs11:`
    )
    expect(records()).toHaveLength(1)
  })

  // The service's own user is not counted.
  it.runIf(process.getuid?.() === 0)("ends the pause of a user who gave too many wrong PINs", async () => {
    expect((await listKeys()).code).toBe(0) // the service has logged in: it knows wrong PINs by itself
    for (const dir of [place, server.runPath]) chmodSync(dir, 0o755)
    const configDir = join(place, "their-config")
    mkdirSync(configDir)
    const toml = `run.path = "${server.runPath}"\n[config]\nversion = "2"\n[device.cryptoki]\nmode = "socket"\nsocket_path = "${server.socketPath}"\n`
    writeFileSync(join(configDir, "tedge.toml"), toml)
    const program = join(programsForEverybody(place), "tedge")
    const tedge = (words: ReadonlyArray<string>, user: { readonly uid?: number; readonly gid?: number } = {}) =>
      spawnSync(program, [...words, "--config-dir", configDir], { ...user, encoding: "utf8" })
    const asTheirs = (pin: string) => tedge(["hsm", "list-keys", "--pin", pin], someoneWithoutPermission())
    for (const pin of ["1111", "2222", "3333"]) expect(asTheirs(pin).status).toBe(1)
    const paused = asTheirs("123456")
    expect([paused.status, paused.stdout]).toEqual([1, ""])
    expect(paused.stderr).toContain("this user gave too many wrong PINs; its PINs are not checked until")
    expect(paused.stderr).toContain("tedge hsm clear-pin-latch")
    const logins = module.calls("C_Login")
    const done = tedge(["hsm", "clear-pin-latch"])
    expect([done.status, done.stderr.includes("may be tried again")], done.stderr).toEqual([0, true])
    const right = asTheirs("123456")
    expect([right.status, module.calls("C_Login")], right.stderr).toEqual([0, logins])
  })
})
