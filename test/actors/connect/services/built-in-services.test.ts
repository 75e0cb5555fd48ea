/** The built-in service manager with real processes: a small program stands for the mapper. */

import { spawn, spawnSync } from "node:child_process"
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  lstatSync,
  readFileSync,
  statSync,
  writeFileSync
} from "node:fs"
import { join } from "node:path"
import { Effect, Logger } from "effect"
import { build } from "esbuild"
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { type BuiltInPlaces, builtInServices } from "../../../../src/actors/connect/services/built-in-services.ts"
import type { ServiceManager } from "../../../../src/actors/connect/services/service-manager.ts"
import { lockHolder } from "../../../../src/platform/process/lock-owner.ts"
import { holdUnseen } from "../../../support/hold-unseen.ts"
import { isAlive } from "../../../support/is-alive.ts"
import { signal } from "../../../support/signal.ts"
import { makeTempDir, removeTempDir } from "../../../support/temp-dir.ts"
import { isRoot, type TestUser, testUser } from "../../../support/test-user.ts"

let built: string
let dir: string
let places: BuiltInPlaces
let services: ServiceManager

beforeAll(async () => {
  built = makeTempDir()
  await build({
    entryPoints: ["src/cli/bin/service-runner.ts"],
    outfile: join(built, "dist", "service-runner.cjs"),
    bundle: true,
    platform: "node",
    format: "cjs",
    external: ["*.node"],
    logLevel: "error"
  })
  copyFileSync("dist/unix.node", join(built, "dist", "unix.node"))
})
afterAll(() => removeTempDir(built))

beforeEach(() => {
  dir = makeTempDir()
  const program = join(dir, "service.sh")
  // Says that it runs and with which process id; ends on SIGTERM after a moment, as a mapper that drains.
  writeFileSync(
    program,
    `trap 'sleep 0.1; echo drained >> ${dir}/ends; exit 0' TERM\necho "$$" >> ${dir}/starts\nwhile :; do sleep 0.02; done\n`
  )
  places = {
    runDir: join(dir, "run"),
    logDir: join(dir, "log"),
    expected: [join(dir, "run", "lock")],
    enabledDir: join(dir, "config", "tedge-services"),
    runner: [process.execPath, join(built, "dist", "service-runner.cjs")],
    commandOf: (service) => (service === "missing" ? undefined : ["/bin/sh", program]),
    environment: process.env
  }
  services = builtInServices(places)
})

afterEach(async () => {
  await run(services.stop("svc"))
  removeTempDir(dir)
})

const run = Effect.runPromise
const starts = (): ReadonlyArray<number> => lines("starts").map(Number)
const lines = (name: string): ReadonlyArray<string> =>
  existsSync(join(dir, name))
    ? readFileSync(join(dir, name), "utf8")
        .split("\n")
        .filter((line) => line !== "")
    : []

const eventually = async (done: () => boolean): Promise<void> => {
  for (let tries = 0; tries < 5000 && !done(); tries++) await new Promise((resolve) => setTimeout(resolve, 10))
  expect(done()).toBe(true)
}

const started = async (): Promise<number> => {
  await run(services.start("svc"))
  await eventually(() => starts().length === 1)
  return starts()[0] ?? 0
}

const runnerPid = (): number => Number(readFileSync(join(dir, "run", "svc.lock"), "utf8"))

describe("the built-in service manager", () => {
  it("is active while its runner lives, and starts nothing twice", async () => {
    expect(await run(services.isActive("svc"))).toBe(false)
    await started()
    expect(await run(services.isActive("svc"))).toBe(true)
    await run(services.start("svc"))
    expect(starts()).toHaveLength(1)
  })

  it("lets the service finish when it stops it", async () => {
    const pid = await started()
    await run(services.stop("svc"))
    expect(lines("ends")).toEqual(["drained"])
    expect([isAlive(pid), await run(services.isActive("svc"))]).toEqual([false, false])
  })

  it("leaves nothing behind when the start is called off, at whatever moment", async () => {
    for (const afterMs of [0, 30, 100, 200, 400]) {
      await run(Effect.timeoutOption(services.start("svc"), afterMs))
      if (await run(services.isActive("svc"))) await run(services.stop("svc")) // it was quicker
      for (const pid of starts()) expect(isAlive(pid)).toBe(false)
      await new Promise((resolve) => setTimeout(resolve, 300))
      expect(await run(services.isActive("svc"))).toBe(false)
    }
  })

  it("stops a service whose runner was killed", async () => {
    const pid = await started()
    signal(runnerPid(), "SIGKILL")
    await eventually(() => !existsSync(`/proc/${runnerPid()}`))
    expect(isAlive(pid)).toBe(true)
    await run(services.stop("svc"))
    expect([isAlive(pid), lines("ends")]).toEqual([false, ["drained"]])
  })

  it.each(["", "no number"])("is active and stops also when its lock file says %j", async (text) => {
    const pid = await started()
    writeFileSync(join(dir, "run", "svc.lock"), text)
    expect(await run(services.isActive("svc"))).toBe(true)
    await run(services.stop("svc"))
    expect([isAlive(pid), lines("ends")]).toEqual([false, ["drained"]])
  })

  it("ends its own runner, and not the process that its lock file names", async () => {
    const pid = await started()
    const another = spawn("sleep", ["60"])
    writeFileSync(join(dir, "run", "svc.lock"), `${another.pid}`)
    await run(services.stop("svc"))
    expect([isAlive(pid), isAlive(another.pid ?? 0)]).toEqual([false, true])
    another.kill()
  })

  it("is active, and cannot be stopped, while its lock is held by a process that cannot be seen", async () => {
    await started()
    await run(services.stop("svc"))
    const lock = join(dir, "run", "svc.lock")
    const letGo = holdUnseen(lock)
    expect(await run(services.isActive("svc"))).toBe(true)
    const refusal = await run(Effect.flip(services.stop("svc")))
    expect(refusal).toMatchObject({ output: expect.stringContaining("held by a process that cannot be seen") })
    letGo()
    await eventually(() => lockHolder(lock) === undefined)
  })

  it("restarts it anew", async () => {
    const pid = await started()
    await run(services.restart("svc"))
    await eventually(() => starts().length === 2)
    expect(isAlive(pid)).toBe(false)
  })

  it("starts a service again that was killed, after a pause", async () => {
    const pid = await started()
    signal(pid, "SIGKILL")
    await eventually(() => starts().length === 2)
    const log = readFileSync(join(dir, "log", "svc.log"), "utf8")
    const pause = Number(/svc restarts in (\d+) ms/.exec(log)?.[1])
    expect([pause >= 800, pause <= 1200], log).toEqual([true, true])
  })

  describe.runIf(isRoot)("started by root for the services' user", () => {
    let user: TestUser
    beforeAll(() => {
      user = testUser()
    })
    afterAll(() => user.remove())

    const asUser = () => {
      chmodSync(dir, 0o755)
      chmodSync(built, 0o755)
      const program = join(dir, "ids.sh")
      writeFileSync(
        program,
        `trap 'exit 0' TERM\nid -u; id -G; echo "home $HOME"; touch '${dir}/run/started'\nwhile :; do sleep 0.02; done\n`
      )
      const account = { name: user.name, uid: user.uid, gid: user.gid, home: "/nonexistent" }
      return builtInServices({ ...places, user: account, commandOf: () => ["/bin/sh", program] })
    }

    it("runs as that user, in all its groups; the runner too", async () => {
      const theirs = asUser()
      await run(theirs.start("svc"))
      await eventually(() => existsSync(join(dir, "run", "started")))
      const log = readFileSync(join(dir, "log", "svc.log"), "utf8").split("\n")
      expect(log[0]).toBe(String(user.uid))
      expect(log[1]?.split(" ").map(Number).toSorted()).toEqual([user.gid, user.extraGroup.gid].toSorted())
      expect(log[2]).toBe("home /nonexistent")
      const uids = /^Uid:\s+(.*)$/m.exec(readFileSync(`/proc/${runnerPid()}/status`, "utf8"))?.[1]
      expect(uids?.split("\t").map(Number)).toEqual(Array(4).fill(user.uid))
      expect(statSync(join(dir, "run", "svc.lock"))).toMatchObject({ uid: user.uid })
      expect(statSync(join(dir, "run", "svc.lock")).mode & 0o777).toBe(0o600)
      expect(statSync(join(dir, "log")).uid).toBe(0)
      await run(theirs.stop("svc"))
      expect(await run(theirs.isActive("svc"))).toBe(false)
    })

    it("ends no process of another user whose id stands in the user's files", async () => {
      const theirs = asUser()
      await run(theirs.start("svc"))
      const victim = spawn("sleep", ["60"])
      const started = readFileSync(`/proc/${victim.pid}/stat`, "utf8").split(") ").at(-1)?.split(" ")[19]
      for (const [file, text] of [
        ["svc.lock", `${victim.pid}`],
        ["svc.pid", `${victim.pid} ${started}`]
      ] as const)
        expect(user.run("sh", ["-c", `printf '${text}' > '${join(dir, "run", file)}'`]).status).toBe(0)
      await run(theirs.stop("svc"))
      expect(isAlive(victim.pid ?? 0)).toBe(true)
      victim.kill()
      spawnSync("sh", ["-c", `kill $(pgrep -u ${user.uid}) 2>/dev/null; true`])
    })

    it("writes no log through a link of that user", async () => {
      const theirs = asUser()
      const secret = join(dir, "secret")
      writeFileSync(secret, "", { mode: 0o600 })
      spawnSync("mkdir", ["-p", join(dir, "log")])
      chownSync(join(dir, "log"), user.uid, user.gid)
      expect(user.run("ln", ["-s", secret, join(dir, "log", "svc.log")]).status).toBe(0)
      await run(theirs.start("svc"))
      await eventually(() => existsSync(join(dir, "run", "started")))
      expect(readFileSync(secret, "utf8")).toBe("")
      expect(lstatSync(join(dir, "log", "svc.log")).isFile()).toBe(true)
      await run(theirs.stop("svc"))
    })
  })

  it("survives the shell that started it", async () => {
    const script = join(dir, "start.mjs")
    writeFileSync(
      script,
      `import { spawn } from "node:child_process"\nspawn(...${JSON.stringify([places.runner[0], [places.runner[1], "svc", join(dir, "run", "svc.lock"), join(dir, "log", "svc.log"), ...(places.commandOf("svc") ?? [])]])}, { detached: true, stdio: "ignore" }).unref()\n`
    )
    spawnSync("mkdir", ["-p", join(dir, "run"), join(dir, "log")])
    // The shell ends as a closed terminal ends it: SIGHUP to everything in its session.
    spawnSync("setsid", ["sh", "-c", `${process.execPath} ${script}; sleep 0.3; kill -HUP 0`])
    await eventually(() => starts().length === 1)
    signal(runnerPid(), "SIGHUP")
    expect(await run(services.isActive("svc"))).toBe(true)
    expect(isAlive(starts()[0] ?? 0)).toBe(true)
  })

  it("ends what a killed runner left behind before it starts the service again", async () => {
    const pid = await started()
    signal(runnerPid(), "SIGKILL")
    for (let tries = 0; tries < 3000 && (await run(services.isActive("svc"))); tries++)
      await new Promise((resolve) => setTimeout(resolve, 10))
    expect([await run(services.isActive("svc")), isAlive(pid)]).toEqual([false, true])
    await run(services.start("svc"))
    await eventually(() => starts().length === 2)
    await eventually(() => !isAlive(pid))
  })

  it("does not start again a service that asks for that with 255", async () => {
    writeFileSync(join(dir, "service.sh"), `echo "$$" >> ${dir}/starts; sleep 0.2; exit 255\n`)
    await started()
    for (let tries = 0; tries < 3000 && (await run(services.isActive("svc"))); tries++)
      await new Promise((resolve) => setTimeout(resolve, 10))
    expect([starts().length, await run(services.isActive("svc"))]).toEqual([1, false])
  })

  it("reports a program that is not installed, and one that cannot be started", async () => {
    expect(await run(Effect.flip(services.start("missing")))).toMatchObject({ reason: "notFound", service: "missing" })
    const broken = builtInServices({ ...places, commandOf: () => [join(dir, "nothing-here")] })
    expect(await run(Effect.flip(broken.start("svc")))).toMatchObject({ _tag: "ServiceCommandFailed" })
    expect(readFileSync(join(dir, "log", "svc.log"), "utf8")).toContain("ENOENT")
  })

  it("makes the directories services expect", async () => {
    await started()
    expect(existsSync(join(dir, "run", "lock"))).toBe(true)
  })

  it("remembers what is enabled, the broker first", async () => {
    const enabled = () => run(services.enabled ?? Effect.succeed(undefined))
    expect(await enabled()).toEqual([])
    for (const service of ["svc", "mosquitto", "a"]) await run(services.enable(service))
    expect(await enabled()).toEqual(["mosquitto", "a", "svc"])
    await run(services.disable("svc"))
    expect(await enabled()).toEqual(["mosquitto", "a"])
  })

  it("hands its own NOTIFY_SOCKET and profile to no service", async () => {
    services = builtInServices({
      ...places,
      environment: { ...process.env, NOTIFY_SOCKET: "/x", TEDGE_CLOUD_PROFILE: "p", KEEP: "1" }
    })
    const pid = await started()
    const environment = readFileSync(`/proc/${pid}/environ`, "utf8")
    expect([environment.includes("KEEP=1"), /NOTIFY_SOCKET|TEDGE_CLOUD_PROFILE/.test(environment)]).toEqual([
      true,
      false
    ])
  })

  it("hands no PIN and no password to a service", async () => {
    services = builtInServices({
      ...places,
      environment: {
        ...process.env,
        TEDGE_DEVICE_CRYPTOKI_PIN: "s3cret-a",
        TEDGE_C8Y_PROFILES_P_DEVICE_KEY_PIN: "s3cret-b",
        TEDGE_PROXY_PASSWORD: "s3cret-c",
        TEDGE_DEVICE_KEY_URI: "pkcs11:token=t?pin-value=s3cret-d",
        C8Y_PASSWORD: "s3cret-e",
        TEDGE_C8Y_DEVICE_KEY_URI: "pkcs11:token=keep"
      }
    })
    const pid = await started()
    const [runner = ""] = readFileSync(join(dir, "run", "svc.lock"), "utf8").match(/\d+/) ?? []
    for (const one of [pid, runner]) {
      const environment = readFileSync(`/proc/${one}/environ`, "utf8")
      expect(environment).toContain("TEDGE_C8Y_DEVICE_KEY_URI=pkcs11:token=keep")
      expect(environment).not.toContain("s3cret")
    }
  })

  it("says which settings it did not hand on, and never their values", async () => {
    const said: Array<unknown> = []
    const noting = Logger.make(({ message }) => void said.push(message))
    const environment = { ...process.env, TEDGE_DEVICE_CRYPTOKI_PIN: "s3cret" }
    services = builtInServices({ ...places, environment })
    await run(Effect.provide(services.start("svc"), Logger.layer([noting])))
    await eventually(() => starts().length === 1)
    expect(String(said)).toContain("TEDGE_DEVICE_CRYPTOKI_PIN")
    expect(String(said)).not.toContain("s3cret")
  })

  it("owns the broker it runs, or one that does not run", async () => {
    expect(await run(services.ownsBroker(false))).toBe(true)
    expect(await run(services.ownsBroker(true))).toBe(false)
  })
})
