/** A token or module that is closed to the user who loads it, told as that, with the command that mends it. */
import { chmodSync, chownSync, mkdirSync, readdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { type Done, run } from "../../../../scripts/lib/run.mjs"
import { executable } from "../../../support/device/device.ts"
import { tempDir } from "../../../support/temp-dir.ts"
import { isRoot, type TestUser, testUser } from "../../../support/test-user.ts"
import { type SoftHsmDirectory, softhsmDirectory } from "../../../support/token/softhsm.ts"

describe.runIf(isRoot)("as root, with services that run as another user", () => {
  let hsm: SoftHsmDirectory
  let user: TestUser
  let dir: string

  beforeEach(() => {
    user = testUser()
    hsm = softhsmDirectory()
    hsm.addToken({ label: "my-token" }).importKey({ label: "my-key", id: "01" })
    dir = tempDir()
    const config = join(dir, "etc")
    mkdirSync(config)
    writeFileSync(join(config, "system.toml"), `user = "${user.name}"\ngroup = "${user.name}"\n`)
    for (const path of [dir, hsm.dir]) chmodSync(path, 0o755)
    use(`key_uri = "pkcs11:token=my-token;object=my-key"`, `mode = "module"\nmodule_path = "${hsm.modulePath}"`)
  })
  afterEach(() => {
    user.remove()
    hsm.cleanup()
  })

  const use = (device: string, cryptoki: string) =>
    writeFileSync(
      join(dir, "etc", "tedge.toml"),
      `run.path = "${join(dir, "run")}"\n[device]\n${device}\n[device.cryptoki]\npin = "123456"\n${cryptoki}\n[config]\nversion = "2"\n`
    )
  const tedge = (...words: ReadonlyArray<string>): Promise<Done> =>
    run(executable("tedge"), ["--config-dir", join(dir, "etc"), ...words], { env: { ...process.env, ...hsm.env } })
  const permissions = async () =>
    JSON.parse((await tedge("hsm", "doctor", "--json")).stdout).filter(
      ({ name }: { name: string }) => name === "permissions"
    )
  const fileChecks = async () =>
    JSON.parse((await tedge("hsm", "doctor", "--json")).stdout).filter(
      ({ name }: { name: string }) => name === "files of the services"
    )
  const tokens = () => join(hsm.dir, "tokens")
  const token = () => join(tokens(), readdirSync(tokens())[0] ?? "")
  const give = (gid: number, mode: number) => {
    for (const path of [tokens(), token()]) {
      chownSync(path, 0, gid)
      chmodSync(path, 0o2770)
    }
    for (const name of readdirSync(token())) {
      chownSync(join(token(), name), 0, gid)
      chmodSync(join(token(), name), mode)
    }
  }

  it("a group that this user is not in is reported with usermod, by the doctor and by a failed command", async () => {
    const softhsm = `${user.name}g`
    await run("groupadd", ["--system", softhsm])
    try {
      const { stdout } = await run("getent", ["group", softhsm])
      const gid = Number(stdout.split(":")[2])
      give(gid, 0o660)
      chownSync(hsm.env.SOFTHSM2_CONF, 0, gid)
      chmodSync(hsm.env.SOFTHSM2_CONF, 0o640)
      const told = `the services' user '${user.name}' may not read '${hsm.env.SOFTHSM2_CONF}': it is not in the group '${softhsm}'`
      const mend = `sudo usermod -aG ${softhsm} '${user.name}', then restart the services`
      expect(await permissions()).toEqual([{ name: "permissions", ok: false, detail: told, hint: mend }])
      const failed = await tedge("hsm", "list-keys")
      expect([failed.code, failed.stderr.includes(`warning: ${told}; ${mend}`)], failed.stderr).toEqual([1, true])
      expect((await run("usermod", ["-aG", softhsm, user.name])).code).toBe(0)
      expect(await permissions()).toMatchObject([{ ok: true }])
      const listed = await tedge("hsm", "list-keys")
      expect([listed.code, listed.stderr.includes("usermod")], listed.stderr).toEqual([0, false])
    } finally {
      await run("gpasswd", ["-d", user.name, softhsm])
      await run("groupdel", [softhsm])
    }
  })

  it("a token that root created is reported with the chown command that fixes it", async () => {
    chownSync(tokens(), user.uid, user.gid)
    chmodSync(token(), 0o700)
    const [first] = await permissions()
    expect(first).toMatchObject({ ok: false, hint: `sudo chown -R '${user.name}': '${token()}'` })
    await run("sh", ["-c", first.hint.replace("sudo ", "")])
    expect(await permissions()).toMatchObject([{ ok: true }])
  })

  it("files alone of root's own count as the token", async () => {
    chownSync(tokens(), user.uid, user.gid)
    chownSync(token(), user.uid, user.gid)
    for (const name of readdirSync(token())) chmodSync(join(token(), name), 0o600)
    expect(await permissions()).toMatchObject([
      { ok: false, detail: expect.stringContaining(token()), hint: `sudo chown -R '${user.name}': '${token()}'` }
    ])
  })

  it("a token of another user beside the device's own is ignored", async () => {
    const own = token()
    await run("chown", ["-R", `${user.name}:`, tokens()])
    hsm.addToken({ label: "of-root" })
    chownSync(own, user.uid, user.gid)
    expect(await permissions()).toMatchObject([{ ok: true }])
  })

  it("the socket of the signing service is reported with its group", async () => {
    const socket = join(dir, "p11.sock")
    writeFileSync(socket, "")
    chownSync(socket, 0, user.gid)
    chmodSync(socket, 0o600)
    use("", `mode = "socket"\nsocket_path = "${socket}"`)
    expect(await permissions()).toMatchObject([{ ok: false, detail: expect.stringContaining("read and write") }])
    chownSync(socket, 0, user.gid)
    chmodSync(socket, 0o660)
    expect(await permissions()).toMatchObject([{ ok: true }])
  })

  it("settings that only root can read are reported by the doctor, each file with the command that fixes it", async () => {
    const config = join(dir, "etc")
    const files = ["tedge.toml", "secrets.toml", "mappers/c8y/mapper.toml", "credentials.toml"].map((name) =>
      join(config, name)
    )
    const [settings = "", secrets = "", mapper = "", credentials = ""] = files
    mkdirSync(join(config, "mappers", "c8y"), { recursive: true })
    writeFileSync(secrets, '[device.cryptoki]\npin = "123456"\n')
    writeFileSync(mapper, `auth_method = "auto"\ncredentials_path = "${credentials}"\n`)
    writeFileSync(credentials, '[c8y]\nusername = "t1/device_1"\npassword = "secret"\n')
    for (const path of files) chmodSync(path, 0o600)
    const told = await fileChecks()
    expect(told).toEqual(
      [settings, mapper, secrets, credentials].map((file) => ({
        name: "files of the services",
        ok: false,
        detail: `the services' user '${user.name}' may not read '${file}'`,
        hint: `sudo chown ${user.name} '${file}'`
      }))
    )
    for (const { hint } of told) await run("sh", ["-c", hint.replace("sudo ", "")])
    expect(await fileChecks()).toMatchObject([{ ok: true }])
  })

  it("trusted certificates that only root can read are reported with chmod: the services must not own them", async () => {
    const trusted = join(dir, "authorities")
    mkdirSync(trusted)
    chmodSync(trusted, 0o700)
    writeFileSync(join(dir, "etc", "tedge.toml"), `c8y.root_cert_path = "${trusted}"\n`)
    const [told] = await fileChecks()
    expect(told).toMatchObject({ ok: false, hint: `sudo chmod o+rX '${trusted}'` })
    await run("sh", ["-c", told.hint.replace("sudo ", "")])
    expect(await fileChecks()).toMatchObject([{ ok: true }])
  })

  it("connect reports it before it starts anything", async () => {
    chownSync(hsm.env.SOFTHSM2_CONF, 0, user.extraGroup.gid)
    chmodSync(hsm.env.SOFTHSM2_CONF, 0o600)
    const { stderr } = await tedge("connect", "c8y")
    expect(stderr).toContain(
      `the services' user '${user.name}' may not read '${hsm.env.SOFTHSM2_CONF}'; sudo chmod o+r '${hsm.env.SOFTHSM2_CONF}'`
    )
  })
})
