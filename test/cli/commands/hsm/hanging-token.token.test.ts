/** A token that hangs, or a command that is interrupted, while a key is made: what may be there is named. */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { Effect } from "effect"
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { cryptokiBehaviour } from "../../../../src/actors/cryptoki/cryptoki-actor.ts"
import { defaultLimits } from "../../../../src/actors/cryptoki/settings.ts"
import { freshHost } from "../../../actors/cryptoki/host/fresh-host.ts"
import { eventually, executable } from "../../../support/device/device.ts"
import { type InProcess, tedgeInProcess } from "../../../support/device/tedge-in-process.ts"
import { isAlive } from "../../../support/is-alive.ts"
import { makeTempDir, removeTempDir } from "../../../support/temp-dir.ts"
import { type ScriptedModule, scriptedModule } from "../../../support/token/scripted-module.ts"
import { type SoftHsmDirectory, softhsmDirectory } from "../../../support/token/softhsm.ts"
import { expectRefusal } from "./expect-refusal.ts"
import { type SigningService, startSigningService } from "./signing-service.ts"

let dir: string
let hsm: SoftHsmDirectory
let module: ScriptedModule
let service: SigningService | undefined

beforeAll(freshHost)

beforeEach(() => {
  dir = makeTempDir()
  hsm = softhsmDirectory()
  hsm.addToken({ label: "my-token" })
  module = scriptedModule(hsm.modulePath)
})

afterEach(async () => {
  await service?.stop()
  service = undefined
  module.cleanup()
  hsm.cleanup()
  removeTempDir(dir)
})

const moduleMode = () => `[device.cryptoki]\nmode = "module"\nmodule_path = "${module.modulePath}"\npin = "123456"\n`
const socketMode = (socketPath: string) => `[device.cryptoki]\nmode = "socket"\nsocket_path = "${socketPath}"\n`

/** With a limit a test can wait for. */
const impatientDevice = (): InProcess => {
  const cryptoki = cryptokiBehaviour(
    {
      modulePath: module.modulePath,
      defaultPin: undefined,
      scope: undefined,
      latchDirectory: join(dir, "latch"),
      limits: { ...defaultLimits, generateMs: 500 },
      idleHostEnds: false,
      keepPollingMs: 0,
      environment: { ...process.env, ...hsm.env }
    },
    { publish: () => Effect.void }
  )
  const device = tedgeInProcess(dir, { cryptoki, environment: hsm.env })
  device.settings(moduleMode())
  return device
}

const settingsOf = ({ configDir }: InProcess) => readFileSync(join(configDir, "tedge.toml"), "utf8")

const noHostIsLeft = () => eventually(() => !module.processes().some(isAlive))

/** The URI a refusal names, as the next step gives it to `tedge hsm list-keys`. */
const named = (stderr: string, label: string): string => {
  const [, uri = ""] = /the key '([^']+)' may be on the token/.exec(stderr) ?? []
  expect(uri).toMatch(new RegExp(`^pkcs11:\\S*token=my-token;id=(%[0-9A-F]{2})+;object=${label}$`))
  expect(stderr).toContain(`hint: check before retrying: tedge hsm list-keys '${uri}'\n`)
  return uri
}

describe("a token that hangs while it makes a key", () => {
  it.each([
    ["before", {}],
    ["after", { skip: 1 }]
  ])(
    "is given up at the limit, %s other keys were made; the key is named and no process is left",
    async (_when, how) => {
      const device = impatientDevice()
      if ("skip" in how) expect((await device.tedge(["cert", "create-key-hsm"])).code).toBe(0)
      module.set({ C_GenerateKeyPair: { hang: true, times: 1 } })
      const before = settingsOf(device)
      const done = await device.tedge(["cert", "create-key-hsm", "--label", "half", "--pin", "123456"])
      expectRefusal(done, "token 'my-token': create-key was interrupted, and its outcome is unknown")
      const uri = named(done.stderr, "half")
      expect(settingsOf(device)).toBe(before)
      expect(module.calls("C_GenerateKeyPair")).toBe("skip" in how ? 2 : 1)
      await noHostIsLeft()
      const looked = await device.tedge(["hsm", "list-keys", uri])
      expect([looked.code, looked.stderr]).toEqual([0, expect.stringContaining("No keys matching")])
    }
  )

  it("is named with the id that was asked for", async () => {
    module.set({ C_GenerateKeyPair: { hang: true, times: 1 } })
    const words = ["hsm", "create-key", "pkcs11:token=my-token", "--id", "0A:0b", "--label", "half"]
    const { stderr } = await impatientDevice().tedge(words)
    expect(named(stderr, "half")).toBe("pkcs11:token=my-token;id=%0A%0B;object=half")
  })
})

describe("Ctrl-C while a key is made", () => {
  const start = (settings: string): ChildProcess => {
    const device = tedgeInProcess(dir)
    device.settings(settings)
    const env = { ...process.env, ...hsm.env, TEDGE_CONFIG_DIR: device.configDir }
    return spawn(executable("tedge"), ["cert", "create-key-hsm", "--label", "half"], { env })
  }

  const interrupted = async (command: ChildProcess) => {
    const printed = { stdout: "", stderr: "" }
    for (const name of ["stdout", "stderr"] as const)
      command[name]?.on("data", (chunk: Buffer) => {
        printed[name] += chunk
      })
    const ended = once(command, "close")
    await eventually(() => module.calls("C_GenerateKeyPair") === 1, 50_000)
    command.kill("SIGINT")
    const [code] = await ended
    return { code, ...printed }
  }

  it("ends the command and its host, names the key, and selects none", async () => {
    module.set({ C_GenerateKeyPair: { hang: true } })
    const done = await interrupted(start(moduleMode()))
    expect([done.code, done.stdout], done.stderr).toEqual([130, ""])
    expect(done.stderr.match(/^error: /gm)).toHaveLength(1)
    expect(done.stderr).toContain("error: interrupted while a key was being created; the key 'pkcs11:")
    named(done.stderr, "half")
    await noHostIsLeft()
  })

  it("through the signing service names the key too, which the service goes on to make", async () => {
    module.set({ C_GenerateKeyPair: { delayMs: 4_000 } })
    mkdirSync(join(dir, "service"))
    service = await startSigningService({
      place: join(dir, "service"),
      modulePath: module.modulePath,
      environment: hsm.env
    })
    const done = await interrupted(start(socketMode(service.socketPath)))
    expect([done.code, done.stdout], done.stderr).toEqual([130, ""])
    const uri = named(done.stderr, "half")
    const device = tedgeInProcess(dir, { environment: hsm.env })
    device.settings(socketMode(service.socketPath))
    await eventually(async () => (await device.tedge(["hsm", "list-keys", uri, "--json"])).stdout.includes("private"))
  })
})

describe("a signing service that dies while it makes a key", () => {
  it("leaves no doubt about which key may be there", async () => {
    module.set({ C_GenerateKeyPair: { hang: true } })
    mkdirSync(join(dir, "service"))
    const place = join(dir, "service")
    const running = await startSigningService({ place, modulePath: module.modulePath, environment: hsm.env })
    const device = tedgeInProcess(dir)
    device.settings(socketMode(running.socketPath))
    const command = device.tedge(["cert", "create-key-hsm", "--label", "half"])
    await eventually(() => module.calls("C_GenerateKeyPair") === 1, 50_000)
    await running.stop("SIGKILL")
    const done = await command
    expectRefusal(done, "it closed the connection before it answered; the key '")
    named(done.stderr, "half")
    await noHostIsLeft()
  })
})
