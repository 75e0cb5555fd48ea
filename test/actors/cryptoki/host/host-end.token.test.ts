/** The end of a token host: asked for, waited for, forced; and a process that cannot be started at all. */

import { execFileSync } from "node:child_process"
import { EventEmitter } from "node:events"
import { closeSync, openSync } from "node:fs"
import { Socket } from "node:net"
import { Deferred, Effect, Exit, Fiber, Scope } from "effect"
import { afterAll, expect, it, vi } from "vitest"
import {
  type HostProcess,
  type HostSettings,
  moduleOutput
} from "../../../../src/actors/cryptoki/host/child-process.ts"
import { endHost, startHost } from "../../../../src/actors/cryptoki/host/host-client.ts"
import { ShortLivedMap } from "../../../../src/runtime/primitives/short-lived.ts"
import { type ScriptedModule, scriptedModule } from "../../../support/token/scripted-module.ts"
import { softhsmDirectory, softhsmModulePath } from "../../../support/token/softhsm.ts"
import { isSignature, run, startScripted } from "../module-kit.ts"
import { freshHost } from "./fresh-host.ts"

/** A host of a scripted module with one token, logged in. */
const loggedInHost = (use: (script: ScriptedModule, settings: HostSettings) => Effect.Effect<void, unknown>) =>
  Effect.gen(function* () {
    yield* Effect.promise(freshHost)
    const soft = softhsmDirectory()
    soft.addToken()
    const script = scriptedModule(softhsmModulePath())
    const environment = { ...process.env, ...soft.env }
    yield* Effect.ensuring(
      use(script, { modulePath: script.modulePath, initializeMs: 30_000, environment }),
      Effect.sync(() => {
        script.cleanup()
        soft.cleanup()
      })
    )
  })

const logIn = (settings: HostSettings) =>
  Effect.gen(function* () {
    const host = yield* startHost(settings)
    const [token] = yield* host.call("tokens", {}, 10_000)
    const { slot = "" } = token ?? {}
    yield* host.call("open", { slot }, 10_000)
    yield* host.call("login", { slot, pin: "123456" }, 10_000)
    return { host, slot }
  })

it("a host logs out and finalises its module, and that is waited for", () =>
  Effect.runPromise(
    loggedInHost((script, settings) =>
      Effect.gen(function* () {
        script.set({ C_Finalize: { delayMs: 50 } })
        yield* Effect.scoped(logIn(settings))
        expect(script.calls("C_Logout")).toBe(1)
        expect(script.calls("C_Finalize-returned" as "C_")).toBe(1)
      })
    )
  ))

it("a module that does not come to the end of C_Finalize costs two seconds", () =>
  Effect.runPromise(
    loggedInHost((script, settings) =>
      Effect.gen(function* () {
        script.set({ C_Finalize: { hang: true } })
        const scope = yield* Scope.make()
        yield* Scope.provide(logIn(settings), scope)
        const began = performance.now()
        yield* Scope.close(scope, Exit.void)
        expect(performance.now() - began).toBeGreaterThan(1900)
        expect(performance.now() - began).toBeLessThan(10_000)
      })
    )
  ))

it("a call that is waited for is finished before the host ends, and none begins after", () =>
  Effect.runPromise(
    loggedInHost((script, settings) =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const { host, slot } = yield* Scope.provide(logIn(settings), scope)
        script.set({ C_FindObjectsInit: { delayMs: 3000 } })
        const asked = { slot, kind: "private", id: undefined } as const
        const running = yield* Effect.forkChild(host.call("objects", asked, 30_000), { startImmediately: true })
        const ending = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
        expect(yield* Effect.flip(host.call("objects", asked, 30_000))).toMatchObject({ _tag: "HostEnded" })
        expect(yield* Fiber.join(running)).toEqual([])
        yield* Fiber.join(ending)
        expect(script.calls("C_Finalize-returned" as "C_")).toBe(1)
      })
    )
  ))

it("a signature that waits for a touch is not cut by a host that is replaced for another request", () =>
  run(
    Effect.gen(function* () {
      const { sign, ref, script, key } = yield* startScripted()
      script.set({ C_Sign: { delayMs: 4000, times: 1 } })
      const touched = yield* Effect.forkChild(sign({}, undefined, 30_000))
      yield* Effect.promise(() => vi.waitUntil(() => script.calls("C_Sign") === 1, 30_000))
      script.set({ C_FindObjectsInit: { code: "CKR_DEVICE_ERROR", times: 1 } })
      yield* ref.ask("ListKeys", { token: {} }, { within: 30_000 })
      expect(script.processes()).toHaveLength(2)
      expect(script.calls("C_Sign")).toBe(1)
      expect(isSignature(yield* Fiber.join(touched), key.publicKeyPem)).toBe(true)
      expect(script.calls("C_Sign")).toBe(1)
    })
  ))

it("a process that SIGKILL does not end is given up, and nothing waits for it", async () => {
  // No test can have a process in state D: this one only pretends not to hear.
  const child = Object.assign(new EventEmitter(), {
    kill: () => true,
    pid: 1,
    stdout: null,
    stderr: null,
    unref: vi.fn()
  })
  const exited = Deferred.makeUnsafe<void>()
  const host: HostProcess = {
    child: child as never,
    pipe: new Socket(),
    send: () => undefined,
    output: moduleOutput(),
    pending: new ShortLivedMap(),
    exited,
    failPending: () => void Deferred.doneUnsafe(exited, Effect.void),
    lastCall: 0,
    looking: undefined,
    isEnding: false,
    killedFor: undefined,
    onIdle: undefined,
    end: undefined
  }
  await Effect.runPromise(endHost(host))
  expect(child.unref).toHaveBeenCalled()
})

const failedStart = (settings: HostSettings) => Effect.flip(Effect.scoped(startHost(settings)))

const soft = softhsmDirectory()
afterAll(soft.cleanup)
// Its own tokens: those of the machine may be closed to the user who runs the tests.
const anySettings = {
  modulePath: soft.modulePath,
  initializeMs: 30_000,
  environment: { ...process.env, ...soft.env }
}

it("no file descriptors left is a refusal of its own, and passes", async () => {
  await freshHost()
  const limit = (...words: ReadonlyArray<string>) =>
    execFileSync("prlimit", ["--pid", String(process.pid), ...words], { encoding: "utf8" }).trim()
  const before = limit("--nofile", "--output=SOFT", "--noheadings", "--raw")
  const taken: Array<number> = []
  const refused = await (async () => {
    limit("--nofile=200:")
    try {
      for (;;) taken.push(openSync("/dev/null", "r"))
    } catch {
      // EMFILE: none is left.
    }
    return await Effect.runPromise(failedStart(anySettings))
  })().finally(() => {
    for (const file of taken) closeSync(file)
    // The process has other files of tests to run.
    limit(`--nofile=${before}:`)
  })
  expect(refused).toMatchObject({ _tag: "HostNotStarted", reason: "EMFILE" })
  const started = Effect.scoped(Effect.map(startHost(anySettings), ({ library }) => library.manufacturer))
  expect(await Effect.runPromise(started)).toContain("SoftHSM")
})

it("a Node that was removed meanwhile is a refusal of its own", async () => {
  const { execPath } = process
  process.execPath = "/nowhere/node"
  try {
    expect(await Effect.runPromise(failedStart(anySettings))).toMatchObject({
      _tag: "HostNotStarted",
      reason: "ENOENT",
      program: "/nowhere/node"
    })
  } finally {
    process.execPath = execPath
  }
})
