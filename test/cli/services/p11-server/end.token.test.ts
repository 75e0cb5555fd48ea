/** SIGTERM and SIGINT, whatever clients and tokens are doing just then. */

import { existsSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it, onTestFinished } from "vitest"
import { encodeFrame } from "../../../../src/messages/wire/frame1.ts"
import { ask, rawClient } from "../../../actors/p11-server/served.ts"
import { eventually } from "../../../support/device/device.ts"
import { isAlive } from "../../../support/is-alive.ts"
import { signal as sendSignal } from "../../../support/signal.ts"
import { scriptedModule } from "../../../support/token/scripted-module.ts"
import { serverPlace } from "./server-process.ts"

const signRequest = { _tag: "SignRequest", toSign: Uint8Array.of(1), uri: undefined, pin: undefined } as const
const bytes = encodeFrame(signRequest)

/** Each does something to the service and answers when it is so. */
const states: Readonly<Record<string, (path: string) => Promise<unknown>>> = {
  "nobody is there": async () => undefined,
  "a client is silent": (path) => connected(path),
  "a client sends a byte now and then": async (path) => {
    const { socket } = await connected(path)
    const drip = () => socket.write(bytes.subarray(0, 1))
    drip()
    const dripping = setInterval(drip, 50)
    onTestFinished(() => clearInterval(dripping))
  },
  "a client never says that it has finished": async (path) => (await connected(path)).socket.write(bytes),
  "a client never reads its answer": async (path) => {
    const { socket } = rawClient(path, { reads: false })
    await new Promise((resolve) => socket.end(bytes, () => resolve(undefined)))
  },
  "clients have gone in mid-request": async (path) => {
    for (let n = 0; n < 20; n++) {
      const { socket } = await connected(path)
      socket.write(bytes.subarray(0, n))
      socket.destroy()
    }
  },
  "more clients are there than it serves": (path) => Promise.all(Array.from({ length: 300 }, () => connected(path)))
}

/** Retries when the kernel refuses the connection: a service that is slow to accept has a full queue of connections (EAGAIN). */
const connected = async (path: string): Promise<ReturnType<typeof rawClient>> => {
  const client = rawClient(path)
  const isConnected = await new Promise((resolve) => {
    client.socket.once("connect", () => resolve(true)).once("close", () => resolve(false))
  })
  return isConnected ? client : connected(path)
}

const startScripted = async (command: ReadonlyArray<string> = []) => {
  const place = serverPlace()
  place.hsm.addToken().importKey()
  const scripted = scriptedModule(place.hsm.modulePath)
  onTestFinished(scripted.cleanup)
  const server = place.start({
    command,
    onlyArgs: ["--config-dir", join(place.dir, "config"), "--socket-path", place.socketPath],
    env: { TEDGE_DEVICE_CRYPTOKI_MODULE_PATH: scripted.modulePath, TEDGE_DEVICE_CRYPTOKI_PIN: "123456" }
  })
  await server.logged("Server listening")
  // A token that was quick the last time is given up after four seconds; this one may be stopped for longer.
  scripted.set({ C_Sign: { delayMs: 5, times: 1 } })
  expect(await ask(place.socketPath, signRequest)).toMatchObject({ _tag: "SignResponse" })
  return { place, scripted, server }
}

describe("tedge-p11-server at its end", () => {
  it.each(Object.entries(states))("answers what it owes, removes its socket and ends with 0: %s", async (_, make) => {
    const { place, scripted, server } = await startScripted()
    const [host = 0] = scripted.processes()
    sendSignal(host, "SIGSTOP")
    const owed = ask(place.socketPath, signRequest)
    await ask(place.socketPath, { _tag: "Ping" })
    await make(place.socketPath)
    server.child.kill("SIGTERM")
    await server.logged("shutting down")
    sendSignal(host, "SIGCONT")
    expect(await server.ended).toBe(0)
    expect(await owed).toMatchObject({ _tag: "SignResponse" })
    expect(existsSync(place.socketPath)).toBe(false)
  })

  it("answers what it owes while its successor serves on the same path already, and leaves it that socket", async () => {
    const { place, scripted, server } = await startScripted()
    const [host = 0] = scripted.processes()
    sendSignal(host, "SIGSTOP")
    const owed = ask(place.socketPath, signRequest)
    await ask(place.socketPath, { _tag: "Ping" })
    server.child.kill("SIGTERM")
    await eventually(() => !existsSync(place.socketPath))
    const successor = place.start({ args: ["--pin", "123456"] })
    await successor.logged("Server listening")
    expect(server.child.exitCode).toBeNull()
    sendSignal(host, "SIGCONT")
    expect(await owed).toMatchObject({ _tag: "SignResponse" })
    expect(await server.ended).toBe(0)
    expect(await ask(place.socketPath, signRequest)).toMatchObject({ _tag: "SignResponse" })
  })

  it("ends with 0 also when more clients have come than it has descriptors", async () => {
    const { place, server } = await startScripted(["sh", "-c", 'ulimit -n 64; exec "$@"', "sh"])
    const clients = Array.from({ length: 100 }, () => rawClient(place.socketPath))
    await Promise.race(clients.map((client) => client.received))
    server.child.kill("SIGTERM")
    expect(await server.ended).toBe(0)
    expect(existsSync(place.socketPath)).toBe(false)
  })

  it("ends on SIGINT in the same way", async () => {
    const { place, server } = await startScripted()
    server.child.kill("SIGINT")
    expect(await server.ended).toBe(0)
    expect(existsSync(place.socketPath)).toBe(false)
  })

  it("does not wait for a token that hangs longer than it drains, and leaves no token host behind", async () => {
    const { place, scripted, server } = await startScripted()
    scripted.set({ C_Sign: { hang: true } })
    const signed = scripted.calls("C_Sign")
    const hung = ask(place.socketPath, signRequest).catch(() => "cut")
    await eventually(() => scripted.calls("C_Sign") > signed)
    server.child.kill("SIGTERM")
    expect(await server.ended).toBe(0)
    await hung
    await eventually(() => !scripted.processes().some(isAlive))
  })

  it("ends at once on a second signal", async () => {
    const { place, scripted, server } = await startScripted()
    scripted.set({ C_Sign: { hang: true } })
    const signed = scripted.calls("C_Sign")
    const hung = ask(place.socketPath, signRequest).catch(() => "cut")
    await eventually(() => scripted.calls("C_Sign") > signed)
    server.child.kill("SIGTERM")
    await server.logged("shutting down")
    server.child.kill("SIGTERM")
    expect(await server.ended).toBe(143)
    await hung
  })
})
