/** The token host as a process: it never outlives its parent, whatever it is blocked in, and a stopped one is replaced. */

import { spawn } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { Effect, Fiber } from "effect"
import { expect, it, vi } from "vitest"
import { encodeFrame } from "../../../../../src/actors/cryptoki/host/frames.ts"
import { startHost } from "../../../../../src/actors/cryptoki/host/host-client.ts"
import { passTime, withTestClock } from "../../../../../src/testing/test-clock.ts"
import { isAlive } from "../../../../support/is-alive.ts"
import { signal as sendSignal } from "../../../../support/signal.ts"
import { scriptedModule } from "../../../../support/token/scripted-module.ts"
import { softhsmDirectory, softhsmModulePath } from "../../../../support/token/softhsm.ts"
import { freshHost } from "../fresh-host.ts"

const entry = join(import.meta.dirname, "../../../../../dist/token-host.cjs")

/** A parent that starts a host, writes it one frame, tells its process id and lives on. */
const parentCode = `
  const { spawn } = require("node:child_process")
  const [entry, frame] = process.argv.slice(1)
  const host = spawn(process.execPath, [entry, String(process.pid)], { stdio: ["ignore", "ignore", "ignore", "pipe"] })
  host.stdio[3].write(Buffer.from(frame, "base64"))
  console.log(host.pid)
  setInterval(() => {}, 1000)
`

it("a host that hangs in its module ends with a parent that is killed", async () => {
  await freshHost()
  const soft = softhsmDirectory()
  const script = scriptedModule(softhsmModulePath())
  script.set({ C_Initialize: { hang: true } })
  const frame = encodeFrame({ call: 1, name: "load", asked: { path: script.modulePath, devices: [] } }).toString(
    "base64"
  )
  const parent = spawn(process.execPath, ["-e", parentCode, entry, frame], { env: { ...process.env, ...soft.env } })
  try {
    const host = Number(
      await new Promise<string>((resolve) => parent.stdout.once("data", (text) => resolve(String(text))))
    )
    await expect.poll(() => script.calls("C_Initialize")).toBe(1)
    expect(isAlive(host)).toBe(true)
    parent.kill("SIGKILL")
    await expect.poll(() => isAlive(host)).toBe(false)
  } finally {
    parent.kill("SIGKILL")
    script.cleanup()
    soft.cleanup()
  }
})

it("a host has a name of its own in ps and in the kernel's log", async () => {
  await freshHost()
  const soft = softhsmDirectory()
  const script = scriptedModule(softhsmModulePath())
  const settings = { modulePath: script.modulePath, initializeMs: 30_000, environment: { ...process.env, ...soft.env } }
  const names = Effect.map(startHost(settings), () =>
    script.processes().map((pid) => ["comm", "cmdline"].map((file) => readFileSync(`/proc/${pid}/${file}`, "utf8")))
  )
  try {
    // The kernel keeps 15 bytes of the first.
    expect(await Effect.runPromise(Effect.scoped(names))).toEqual([
      ["tedge-token-hos\n", expect.stringMatching(/^tedge-token-host\0/)]
    ])
  } finally {
    script.cleanup()
    soft.cleanup()
  }
})

it("a host that was stopped is given up after four seconds, one that takes its time when that is up", async () => {
  await freshHost()
  const soft = softhsmDirectory()
  const script = scriptedModule(softhsmModulePath())
  const settings = { modulePath: script.modulePath, initializeMs: 30_000, environment: { ...process.env, ...soft.env } }
  const scenario = Effect.gen(function* () {
    const stopped = yield* startHost(settings)
    const [pid = 0] = script.processes()
    sendSignal(pid, "SIGSTOP")
    yield* Effect.promise(() => vi.waitUntil(() => /\) T /.test(readFileSync(`/proc/${pid}/stat`, "latin1")), 30_000))
    const lost = yield* Effect.forkChild(Effect.flip(stopped.call("tokens", {}, 60_000)))
    yield* passTime("4 seconds")
    expect(yield* Fiber.join(lost)).toMatchObject({ _tag: "HostDied", call: "tokens", signal: "SIGKILL" })
    const slow = yield* startHost(settings)
    script.set({ C_GetSlotList: { hang: true } })
    const late = yield* Effect.forkChild(Effect.flip(slow.call("tokens", {}, 60_000)))
    yield* passTime("1 minute")
    expect(yield* Fiber.join(late)).toMatchObject({ _tag: "CallTimedOut", afterMs: 60_000 })
  })
  try {
    await withTestClock(Effect.scoped(scenario))
  } finally {
    script.cleanup()
    soft.cleanup()
  }
})

it("a host that answered in time lives, when its parent was suspended", async () => {
  await freshHost()
  const soft = softhsmDirectory()
  const settings = {
    modulePath: softhsmModulePath(),
    initializeMs: 30_000,
    environment: { ...process.env, ...soft.env }
  }
  const scenario = Effect.gen(function* () {
    const host = yield* startHost(settings)
    const asked = yield* Effect.forkChild(host.call("tokens", {}, 500), { startImmediately: true })
    yield* Effect.promise(() => new Promise<void>((isSent) => process.nextTick(isSent)))
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000)
    expect(yield* Fiber.join(asked)).toHaveLength(1)
  })
  try {
    await Effect.runPromise(Effect.scoped(scenario))
  } finally {
    soft.cleanup()
  }
})
