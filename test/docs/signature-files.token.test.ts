/**
 * docs/architecture.md draws a signature file by file: here one is made, and the files are those whose functions ran.
 *
 * A signature like most: the service has made others, so the session is open and the key is found. The runtime passes
 * every message and is no part of the picture; files of constants and types run nothing.
 */
import { readFileSync } from "node:fs"
import { Session } from "node:inspector/promises"
import { join } from "node:path"
import { Effect, Redacted } from "effect"
import { expect, it } from "vitest"
import { cryptokiBehaviour } from "../../src/actors/cryptoki/cryptoki-actor.ts"
import { reply } from "../../src/actors/cryptoki/host/process/requests.ts"
import { SignTimes } from "../../src/actors/cryptoki/host/process/slot.ts"
import type { HostRequest, HostRequestName, HostRequests } from "../../src/actors/cryptoki/host/protocol.ts"
import { socketCryptokiBehaviour } from "../../src/actors/cryptoki/remote/socket-cryptoki-actor.ts"
import { defaultLimits, requestMailbox } from "../../src/actors/cryptoki/settings.ts"
import { start } from "../../src/runtime/actor.ts"
import { processMonotonicMs } from "../../src/runtime/primitives/process-time.ts"
import { freshHost } from "../actors/cryptoki/host/fresh-host.ts"
import { by } from "../actors/cryptoki/module-kit.ts"
import { serving } from "../actors/p11-server/served.ts"
import { softhsmDirectory } from "../support/token/softhsm.ts"
import { root } from "./commands.ts"

const section = (title: string) => {
  const text = readFileSync(join(root, "docs/architecture.md"), "utf8")
  return text.split(/^## /m).find((part) => part.startsWith(title)) ?? ""
}

/** Of the picture: these open TLS or read the pipe, and are not run here. */
const around = [
  "src/actors/mqtt/dial/dial.ts",
  "src/actors/mqtt/dial/key-signer.ts",
  "src/platform/tls/tls-signer-stream.ts",
  "src/actors/cryptoki/host/process/token-host.ts"
]

const isOfPicture = (file: string) => !file.startsWith("src/runtime/") && !file.endsWith("pkcs11-constants.ts")

/** The files of src in which a function runs while this does. */
const filesOf = async (work: () => Promise<unknown>): Promise<ReadonlyArray<string>> => {
  const session = new Session()
  session.connect()
  await session.post("Debugger.enable")
  await session.post("Profiler.enable")
  await session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: false })
  await work()
  const { result } = await session.post("Profiler.takePreciseCoverage")
  const files: Array<string> = []
  for (const { url, scriptId, functions } of result) {
    const file = url.slice(url.indexOf(root) + root.length + 1)
    if (!file.startsWith("src/") || !isOfPicture(file)) continue
    const { scriptSource } = await session.post("Debugger.getScriptSource", { scriptId })
    const ran = functions.flatMap(({ ranges: [whole] }) =>
      whole && whole.count > 0 ? [scriptSource.slice(whole.startOffset, whole.endOffset)] : []
    )
    if (ran.some((text) => !isExport.test(text))) files.push(file)
  }
  session.disconnect()
  return files
}

/** What Vite makes of an export: that it is read is no work. */
const isExport = /^\(\) => \{ try \{ return \w+ \} catch \{\} \}$/

/** A timer that happens to end meanwhile is no part of the work: what runs each time is. */
const filesEachTime = async (work: () => Promise<unknown>): Promise<ReadonlyArray<string>> => {
  const [first = [], ...others] = [await filesOf(work), await filesOf(work), await filesOf(work)]
  return first.filter((file) => others.every((files) => files.includes(file)))
}

it("docs/architecture.md names the files that a signature passes, and no others", async () => {
  await freshHost()
  const scenario = Effect.gen(function* () {
    const directory = yield* Effect.acquireRelease(Effect.sync(softhsmDirectory), (made) => Effect.sync(made.cleanup))
    directory.addToken({ label: "one" }).importKey({ label: "key" })
    const settings = {
      modulePath: directory.modulePath,
      defaultPin: Redacted.make("123456"),
      scope: undefined,
      latchDirectory: join(directory.dir, "latch"),
      limits: defaultLimits,
      idleHostEnds: false,
      keepPollingMs: 0,
      environment: { ...process.env, ...directory.env }
    }
    const { socketPath } = yield* serving(cryptokiBehaviour(settings, { publish: () => Effect.void }), {
      limits: { readMs: 10_000, writeMs: 10_000 }
    })
    const client = yield* start({
      name: "client",
      mailbox: requestMailbox,
      behaviour: socketCryptokiBehaviour({ socketPath, latches: { directory: directory.dir, owner: undefined } })
    })
    const order = { key: by("pkcs11:token=one;object=key"), scheme: undefined, message: Uint8Array.of(1) }
    const sign = () => Effect.runPromise(client.ask("Sign", order, { within: "1 minute" }))
    yield* Effect.promise(sign)
    const parent = yield* Effect.promise(() => filesEachTime(sign))
    const host = yield* Effect.promise(() => inHost(directory))
    return [...parent, ...host]
  })
  const passed = await Effect.runPromise(Effect.scoped(scenario))
  const drawn = [...section("A signature").matchAll(/src\/[\w/-]+\.ts/g)].map(([file]) => file)
  expect([...new Set(drawn)].toSorted()).toEqual([...new Set([...passed, ...around])].toSorted())
})

/** What the token host does with the same request, in this process. */
const inHost = async ({ modulePath, env }: ReturnType<typeof softhsmDirectory>): Promise<ReadonlyArray<string>> => {
  Object.assign(process.env, env)
  const state = {
    loadFault: () => undefined,
    module: undefined,
    slots: new Map(),
    signTimes: new SignTimes(processMonotonicMs)
  }
  let call = 0
  const ask = async <Name extends HostRequestName>(name: Name, asked: HostRequests[Name]["asked"]) => {
    call += 1
    const answered = await reply(state, { call, name, asked } as HostRequest)
    return "answer" in answered
      ? (answered.answer as HostRequests[Name]["answer"])
      : expect.fail(JSON.stringify(answered))
  }
  await ask("load", { path: modulePath, devices: [] })
  const [{ slot } = expect.fail("no token")] = await ask("tokens", {})
  await ask("login", { slot, pin: "123456" })
  const [{ handle } = expect.fail("no key")] = await ask("objects", { slot, kind: "private", id: undefined })
  const mechanisms = [{ mechanism: 0x1041, pss: undefined, input: new Uint8Array(32) }]
  const sign = () => ask("sign", { slot, handle, mechanisms, contextPin: undefined })
  await sign()
  return filesEachTime(sign)
}
