/** A token host that root starts is the services' user before it does anything, and stays bound to its parent. */
import { spawn } from "node:child_process"
import { chmodSync, chownSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Effect, Result } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { encodeFrame } from "../../../../src/actors/cryptoki/host/frames.ts"
import { startHost } from "../../../../src/actors/cryptoki/host/host-client.ts"
import { tedgeInProcess } from "../../../support/device/tedge-in-process.ts"
import { tempDir } from "../../../support/temp-dir.ts"
import { isRoot, type TestUser, testUser } from "../../../support/test-user.ts"
import { scriptedModule } from "../../../support/token/scripted-module.ts"
import { type SoftHsmDirectory, softhsmDirectory, softhsmModulePath } from "../../../support/token/softhsm.ts"
import { freshHost } from "./fresh-host.ts"

describe.runIf(isRoot)("a token host started by root", () => {
  let user: TestUser
  beforeAll(async () => {
    await freshHost()
    user = testUser()
  })
  afterAll(() => user.remove())

  const hostUser = () => ({ name: user.name, uid: user.uid, gid: user.gid, home: "/nonexistent" })

  /** Tokens that this user may use. */
  const given = (hsm: SoftHsmDirectory): SoftHsmDirectory => {
    for (const path of [hsm.dir, join(hsm.dir, "softhsm2.conf"), join(hsm.dir, "tokens")])
      chownSync(path, user.uid, user.gid)
    return hsm
  }

  const status = (pid: number, field: string): ReadonlyArray<number> =>
    (new RegExp(`^${field}:(.*)$`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? "")
      .trim()
      .split(/\s+/)
      .filter((word) => word !== "")
      .map(Number)

  const hosts = (): ReadonlyArray<number> =>
    readdirSync("/proc").flatMap((pid) => {
      if (!/^\d+$/.test(pid)) return []
      try {
        const isOurs = status(Number(pid), "PPid")[0] === process.pid
        return isOurs && readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("token-host") ? [Number(pid)] : []
      } catch {
        return [] // gone meanwhile
      }
    })

  it("is the user in every respect, with the supplementary groups and without a capability", async () => {
    const hsm = given(softhsmDirectory())
    const settings = { modulePath: hsm.modulePath, initializeMs: 30_000, environment: hsm.env, user: hostUser() }
    const seen = await Effect.runPromise(
      Effect.scoped(
        Effect.gen(function* () {
          yield* startHost(settings)
          return hosts().map((pid) => ({
            uid: status(pid, "Uid"),
            gid: status(pid, "Gid"),
            groups: status(pid, "Groups").toSorted(),
            capabilities: ["CapPrm", "CapEff", "CapInh"].map(
              (set) => new RegExp(`^${set}:\\s*(\\S+)`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]
            )
          }))
        })
      )
    )
    hsm.cleanup()
    const four = (id: number) => [id, id, id, id]
    expect(seen).toEqual([
      {
        uid: four(user.uid),
        gid: four(user.gid),
        groups: [user.gid, user.extraGroup.gid].toSorted(),
        capabilities: Array(3).fill("0000000000000000")
      }
    ])
  })

  it("dies with a parent that is killed, although a change of user takes that signal back", async () => {
    const hsm = given(softhsmDirectory())
    const script = scriptedModule(softhsmModulePath())
    chmodSync(script.dir, 0o777)
    script.set({ C_Initialize: { hang: true } })
    const frame = encodeFrame({ call: 1, name: "load", asked: { path: script.modulePath, devices: [] } }).toString(
      "base64"
    )
    const entry = join(import.meta.dirname, "../../../../dist/token-host.cjs")
    const code = `
      const [entry, frame, ...user] = process.argv.slice(1)
      const host = require("node:child_process").spawn(process.execPath, [entry, String(process.pid), ...user], {
        stdio: ["ignore", "ignore", "ignore", "pipe"]
      })
      host.stdio[3].write(Buffer.from(frame, "base64"))
      console.log(host.pid)
      setInterval(() => {}, 1000)
    `
    const args = ["-e", code, entry, frame, `${user.name}:${user.uid}:${user.gid}`]
    const parent = spawn(process.execPath, args, { env: { ...process.env, ...hsm.env } })
    try {
      const host = Number(await new Promise((resolve) => parent.stdout.once("data", (text) => resolve(String(text)))))
      await expect.poll(() => status(host, "Uid")).toContain(user.uid)
      await expect.poll(() => script.calls("C_Initialize")).toBe(1)
      parent.kill("SIGKILL")
      const lives = () => {
        try {
          return !/^State:\s+Z/m.test(readFileSync(`/proc/${host}/status`, "utf8"))
        } catch {
          return false
        }
      }
      await expect.poll(lives).toBe(false)
    } finally {
      parent.kill("SIGKILL")
      script.cleanup()
      hsm.cleanup()
    }
  })

  it("loads no module when it cannot become that user", async () => {
    const hsm = softhsmDirectory()
    const nobody = { ...hostUser(), uid: 0xffffffff }
    const settings = { modulePath: hsm.modulePath, initializeMs: 30_000, environment: hsm.env, user: nobody }
    const started = await Effect.runPromise(Effect.scoped(Effect.result(startHost(settings))))
    hsm.cleanup()
    expect(Result.isFailure(started) && started.failure).toMatchObject({
      _tag: "ModuleNotLoaded",
      reason: "notItsUser",
      user: user.name
    })
  })

  describe("by a command", () => {
    const device = async (systemToml: string) => {
      const hsm = given(softhsmDirectory())
      const tedge = tedgeInProcess(tempDir(), { environment: hsm.env })
      writeFileSync(join(tedge.configDir, "system.toml"), systemToml)
      await tedge.set("device.cryptoki.mode", "module")
      await tedge.set("device.cryptoki.module_path", hsm.modulePath)
      return { hsm, tedge }
    }
    const init = ["hsm", "init", "--label", "t", "--so-pin", "12345678", "--pin", "123456"]

    it("leaves the files of a new token and key to the services' user", async () => {
      const { hsm, tedge } = await device(`user = "${user.name}"\ngroup = "${user.name}"\n`)
      expect(await tedge.tedge(init)).toMatchObject({ code: 0 })
      expect(await tedge.tedge(["hsm", "create-key", "--label", "k", "--pin", "123456"])).toMatchObject({ code: 0 })
      const files = readdirSync(join(hsm.dir, "tokens"), { recursive: true, encoding: "utf8" })
      expect(files.length).toBeGreaterThan(3)
      for (const file of files) expect(statSync(join(hsm.dir, "tokens", file)).uid).toBe(user.uid)
      hsm.cleanup()
    })

    it("meets what the services' user may not do", async () => {
      const { hsm, tedge } = await device(`user = "${user.name}"\n`)
      const own = join(hsm.dir, "roots.so")
      writeFileSync(own, readFileSync(hsm.modulePath), { mode: 0o600 })
      await tedge.set("device.cryptoki.module_path", own)
      const listed = await tedge.tedge(["hsm", "list-tokens"])
      expect(listed.stderr).toContain(`the services' user '${user.name}' may not read it`)
      hsm.cleanup()
    })

    it("is refused where system.toml names a user that is not there, with the command that makes it", async () => {
      const { hsm, tedge } = await device('user = "no-such-user"\n')
      const listed = await tedge.tedge(["hsm", "list-tokens"])
      expect(listed.code).not.toBe(0)
      expect(listed.stderr).toMatch(/the user 'no-such-user' named in '\S+system.toml' does not exist/)
      expect(listed.stderr).toMatch(/hint: sudo useradd --system .* no-such-user/)
      hsm.cleanup()
    })

    it("is refused if others than root can write system.toml, which could name root", async () => {
      const { hsm, tedge } = await device('user = "root"\n')
      const path = join(tedge.configDir, "system.toml")
      chownSync(path, user.uid, user.gid)
      const listed = await tedge.tedge(["hsm", "list-tokens"])
      expect(listed.code).not.toBe(0)
      expect(listed.stderr).toContain(`user '${user.name}' can write it, and it decides what root runs`)
      chownSync(path, 0, 0)
      chmodSync(path, 0o666)
      expect((await tedge.tedge(["hsm", "list-tokens"])).stderr).toContain("every user can write it")
      hsm.cleanup()
    })

    it("stays root if system.toml names no user", async () => {
      const { hsm, tedge } = await device('user = ""\n')
      mkdirSync(join(hsm.dir, "elsewhere"))
      expect(await tedge.tedge(init)).toMatchObject({ code: 0 })
      const [token = ""] = readdirSync(join(hsm.dir, "tokens"))
      expect(statSync(join(hsm.dir, "tokens", token)).uid).toBe(0)
      hsm.cleanup()
    })
  })
})
