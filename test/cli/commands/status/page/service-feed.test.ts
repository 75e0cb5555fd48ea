/** What the page hears of a service that hangs, or does not speak as it should. */
import { mkdirSync } from "node:fs"
import { createServer, type Server, type Socket } from "node:net"
import { dirname } from "node:path"
import { Effect, Exit, Scope } from "effect"
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { serviceFeed } from "../../../../../src/cli/commands/status/page/service-feed.ts"
import { serviceSocketPath } from "../../../../../src/messages/service-socket.ts"
import { printSnapshot } from "../../../../../src/messages/status/status-line.ts"
import { makeTempDir, removeTempDir } from "../../../../support/temp-dir.ts"
import { snapshot } from "../reports.ts"

const name = "tedge-mapper-c8y"

interface Told {
  readonly kind: string
  readonly error?: string
}

let dir: string
let server: Server
let scope: Scope.Closeable
let told: Array<Told>
let looking: Array<() => void>
/** The connection on which the question came. */
let asked: Promise<Socket>

const until = async (holds: () => boolean): Promise<void> => {
  while (!holds()) await new Promise<void>((resolve) => looking.push(resolve))
}

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] })
  dir = makeTempDir()
  told = []
  looking = []
  const path = serviceSocketPath(dir, name)
  mkdirSync(dirname(path), { recursive: true })
  server = createServer()
  asked = new Promise((resolve) => {
    server.on("connection", (socket) => socket.once("data", () => resolve(socket)))
  })
  await new Promise<void>((resolve) => server.listen(path, resolve))
  scope = Scope.makeUnsafe()
  const feed = await Effect.runPromise(Scope.provide(serviceFeed(dir, [name]), scope))
  feed.watch((line) => {
    told.push(JSON.parse(line))
    for (const look of looking.splice(0)) look()
  })
})
afterEach(async () => {
  const socket = await asked
  await Effect.runPromise(Scope.close(scope, Exit.void))
  socket.destroy()
  await new Promise((resolve) => server.close(resolve))
  removeTempDir(dir)
  vi.useRealTimers()
})

const silent = { kind: "gone", service: name, error: "it runs, and does not answer" }

describe("a service on the page", () => {
  it("does not answer when 3 s pass without a line", async () => {
    await asked
    vi.advanceTimersByTime(2_999)
    expect(told).toHaveLength(1)
    vi.advanceTimersByTime(1)
    expect(told.at(-1)).toEqual(silent)
  })

  it("is silent 3 s after its last line, and is there again with the next one", async () => {
    const socket = await asked
    vi.advanceTimersByTime(2_000)
    socket.write(`${printSnapshot(snapshot)}\n`)
    await until(() => told.length === 2)
    vi.advanceTimersByTime(2_999)
    expect(told.at(-1)?.kind).toBe("snapshot")
    vi.advanceTimersByTime(1)
    expect(told.at(-1)).toEqual(silent)
    socket.write(`${printSnapshot(snapshot)}\n`)
    await until(() => told.length === 4)
    expect(told.at(-1)?.kind).toBe("snapshot")
  })

  it.each([
    ["nonsense", "an answer of another version"],
    ['{"error":"not known"}', "not known"]
  ])("is named when it answers with %s, also later", async (line, error) => {
    const socket = await asked
    socket.write(`${line}\n`)
    await until(() => told.length === 2)
    vi.advanceTimersByTime(10_000)
    expect(told.slice(1)).toEqual([{ kind: "gone", service: name, error }])
  })

  it("may tell, after a snapshot, what this version does not know", async () => {
    const socket = await asked
    socket.write(`${printSnapshot(snapshot)}\n{"version":1,"answer":"event","event":{"kind":"new"}}\n`)
    socket.write(`${printSnapshot(snapshot)}\n`)
    await until(() => told.length === 3)
    expect(told.map(({ kind }) => kind)).toEqual(["gone", "snapshot", "snapshot"])
  })
})
