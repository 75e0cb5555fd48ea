/** tedge-p11-server under a service manager: what it tells, sockets handed over, the watchdog, a reload in mid-request. */
import { spawn } from "node:child_process"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { Effect } from "effect"
import { describe, expect, it, onTestFinished } from "vitest"
import { serviceManager } from "../../../../src/actors/p11-server/manager-notifications.ts"
import { ask } from "../../../actors/p11-server/served.ts"
import { eventually, executable } from "../../../support/device/device.ts"
import { isAlive } from "../../../support/is-alive.ts"
import { notifySocket } from "../../../support/notify-socket.ts"
import { scriptedModule } from "../../../support/token/scripted-module.ts"
import { type ServerPlace, serverPlace } from "./server-process.ts"

const signRequest = { _tag: "SignRequest", toSign: Uint8Array.of(1), uri: undefined, pin: undefined } as const

/** A token whose module does what the test says. */
const scriptedPlace = () => {
  const place = serverPlace()
  place.hsm.addToken().importKey()
  const scripted = scriptedModule(place.hsm.modulePath)
  onTestFinished(scripted.cleanup)
  place.configure(`[device.cryptoki]\nmodule_path = "${scripted.modulePath}"\npin = "123456"\n`)
  return { place, scripted }
}

const fromFile = (place: ServerPlace) => ["--config-dir", join(place.dir, "config"), "--socket-path", place.socketPath]

describe("the service manager of tedge-p11-server", () => {
  it("is notified of ready, the tokens, reload and stop", async () => {
    const { place } = scriptedPlace()
    const { path, told } = await notifySocket()
    const server = place.start({ onlyArgs: fromFile(place), env: { NOTIFY_SOCKET: path } })
    await server.logged("Server listening")
    const status = "\"STATUS=token 'my-token': there\""
    await eventually(() => told().includes("'READY=1'") && told().at(-1) === status)
    const before = told().length
    server.child.kill("SIGHUP")
    await eventually(() => told().length >= before + 2)
    expect(told().slice(before)).toEqual([expect.stringMatching(/^'RELOADING=1\\nMONOTONIC_USEC=\d+'$/), "'READY=1'"])
    place.configure("[broken")
    server.child.kill("SIGHUP")
    await eventually(() => told().length >= before + 4)
    expect(told().slice(before + 2)).toEqual([expect.stringMatching(/^'RELOADING=1/), "'READY=1'"])
    server.child.kill("SIGTERM")
    expect(await server.ended).toBe(0)
    await eventually(() => told().at(-1) === "'STOPPING=1'")
  })

  it("is not notified of ready if it cannot listen", async () => {
    const { place } = scriptedPlace()
    const { path, told, until } = await notifySocket()
    const server = place.start({
      onlyArgs: ["--config-dir", join(place.dir, "config"), "--socket-path", place.dir],
      env: { NOTIFY_SOCKET: path }
    })
    expect(await server.ended).toBe(1)
    await Effect.runPromise(serviceManager({ NOTIFY_SOCKET: path }, 0).stopping)
    await until(1)
    expect(told()).not.toContain("'READY=1'")
  })

  it("hears the watchdog while a token hangs and 100 clients wait for it", async () => {
    const { place, scripted } = scriptedPlace()
    const { path, told } = await notifySocket()
    const env = { NOTIFY_SOCKET: path, WATCHDOG_USEC: "400000" }
    const server = place.start({ onlyArgs: fromFile(place), env })
    await server.logged("Server listening")
    expect(await ask(place.socketPath, signRequest)).toMatchObject({ _tag: "SignResponse" })
    scripted.set({ C_Sign: { hang: true } })
    const waiting = Promise.allSettled(Array.from({ length: 100 }, () => ask(place.socketPath, signRequest)))
    await eventually(() => scripted.calls("C_Sign") > 1)
    const beats = () => told().filter((line) => line === "'WATCHDOG=1'").length
    const before = beats()
    await eventually(() => beats() > before + 3)
    server.child.kill("SIGKILL")
    await waiting
  })
})

describe("a reload of tedge-p11-server", () => {
  it("lets the request in progress finish as it began", async () => {
    const { place, scripted } = scriptedPlace()
    const server = place.start({ onlyArgs: fromFile(place) })
    await server.logged("Server listening")
    // A token that was quick the last time is given up after four seconds.
    scripted.set({ C_Sign: { delayMs: 5, times: 1 } })
    expect(await ask(place.socketPath, signRequest)).toMatchObject({ _tag: "SignResponse" })
    scripted.set({ C_Sign: { delayMs: 5000, times: 1 } })
    const signed = scripted.calls("C_Sign")
    const inProgress = ask(place.socketPath, signRequest)
    await eventually(() => scripted.calls("C_Sign") > signed)
    place.configure(
      `[device.cryptoki]\nmodule_path = "${scripted.modulePath}"\npin = "123456"\nuri = "pkcs11:token=other"\n`
    )
    server.child.kill("SIGHUP")
    await server.logged("settings reloaded")
    const outside = { message: expect.stringContaining("Didn't find a slot to use") }
    expect(await ask(place.socketPath, signRequest)).toMatchObject(outside)
    expect(await inProgress).toMatchObject({ _tag: "SignResponse" })
  })
})

describe("sockets that systemd hands over", () => {
  it("are used, the first one if there are several, with a warning, and are left where they are", async () => {
    const { place } = scriptedPlace()
    const other = join(place.dir, "other.sock")
    const passed = ["SOFTHSM2_CONF", "TEDGE_RUN_PATH"].flatMap((name) => ["-E", name])
    const sockets = ["-l", place.socketPath, "-l", other]
    const command = [executable("tedge-p11-server"), "--config-dir", join(place.dir, "config")]
    const child = spawn("systemd-socket-activate", [...passed, ...sockets, ...command], {
      env: { PATH: process.env.PATH, ...place.hsm.env, TEDGE_RUN_PATH: join(place.dir, "run") },
      stdio: ["ignore", "ignore", "pipe"]
    })
    onTestFinished(() => void child.kill("SIGKILL"))
    const ended = new Promise((resolve) => child.once("close", resolve))
    let log = ""
    child.stderr.on("data", (text) => {
      log += String(text)
    })
    await eventually(() => existsSync(other))
    expect(await ask(place.socketPath, signRequest)).toMatchObject({ _tag: "SignResponse" })
    expect(log).toContain("systemd passed several sockets: using the first")
    child.kill("SIGTERM")
    expect(await ended).toBe(0)
    expect([place.socketPath, other].filter((path) => existsSync(path))).toHaveLength(2)
  })
})

describe("a module that hangs while it is loaded", () => {
  it("keeps tedge-p11-server from being ready, not from answering a Ping and from ending at once", async () => {
    const { place, scripted } = scriptedPlace()
    scripted.set({ C_Initialize: { hang: true } })
    const { path, told, until } = await notifySocket()
    const server = place.start({ onlyArgs: fromFile(place), env: { NOTIFY_SOCKET: path } })
    await server.logged("Server listening")
    expect(await ask(place.socketPath, { _tag: "Ping" })).toEqual({ _tag: "Pong" })
    // In order, so it would be there: one that is sent after all that the service has sent by now.
    const before = told().length
    await Effect.runPromise(serviceManager({ NOTIFY_SOCKET: path }, 0).stopping)
    await until(before + 1)
    expect(told()).not.toContain("'READY=1'")
    await eventually(() => scripted.calls("C_Initialize") > 0)
    server.child.kill("SIGTERM")
    expect(await server.ended).toBe(0)
    await eventually(() => !scripted.processes().some(isAlive))
  })
})

describe("a module whose C_Initialize fails", () => {
  it("keeps tedge-p11-server from nothing: clients hear the reason, and it heals", async () => {
    const { place, scripted } = scriptedPlace()
    scripted.set({ C_Initialize: { code: "CKR_GENERAL_ERROR" } })
    const server = place.start({ onlyArgs: fromFile(place) })
    await server.logged("Server listening")
    expect(await ask(place.socketPath, signRequest)).toMatchObject({
      message: expect.stringMatching(/^PKCS #11 service failed: .*C_Initialize.*CKR_GENERAL_ERROR/)
    })
    scripted.reset()
    await eventually(async () => (await ask(place.socketPath, signRequest))._tag === "SignResponse", 40_000)
    expect(server.child.exitCode).toBeNull()
  })
})
