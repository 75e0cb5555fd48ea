/** What the page hears of a service that hangs, or does not speak as it should. */
import { mkdirSync } from "node:fs"
import { createServer, type Server, type Socket } from "node:net"
import { dirname } from "node:path"
import { Effect, Exit, Scope } from "effect"
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { commandServices } from "../../../../../src/actors/connect/services/command-services.ts"
import { systemdCommands } from "../../../../../src/actors/connect/services/system-toml.ts"
import type { PageFeed } from "../../../../../src/cli/commands/status/page/page-server.ts"
import { type Followed, serviceFeed } from "../../../../../src/cli/commands/status/page/service-feed.ts"
import { serviceSocketPath } from "../../../../../src/messages/service-socket.ts"
import { makeTempDir, removeTempDir } from "../../../../support/temp-dir.ts"
import { snapshot } from "../reports.ts"

const name = "tedge-mapper-c8y"

interface Told {
  readonly kind: string
  readonly service?: string
  readonly bad?: boolean
  readonly error?: string
}

let dir: string
let followed: Followed
let server: Server
let scope: Scope.Closeable
let feed: PageFeed
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
  const mapper = { name, startedBy: "tedge connect c8y" }
  followed = { runPath: dir, manager: undefined, services: [mapper] }
  looking = []
  const path = serviceSocketPath(dir, name)
  mkdirSync(dirname(path), { recursive: true })
  server = createServer()
  asked = new Promise((resolve) => {
    server.on("connection", (socket) => socket.once("data", () => resolve(socket)))
  })
  await new Promise<void>((resolve) => server.listen(path, resolve))
  scope = Scope.makeUnsafe()
  feed = await Effect.runPromise(Scope.provide(serviceFeed(Effect.sync(() => followed)), scope))
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

const gone = { kind: "gone", service: name, state: "unknown", bad: false }
const silent = { ...gone, error: "it runs, and does not answer" }

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
    socket.write(`${JSON.stringify(snapshot)}\n`)
    await until(() => told.length === 2)
    vi.advanceTimersByTime(2_999)
    expect(told.at(-1)?.kind).toBe("snapshot")
    vi.advanceTimersByTime(1)
    expect(told.at(-1)).toEqual(silent)
    socket.write(`${JSON.stringify(snapshot)}\n`)
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
    expect(told.slice(1)).toEqual([{ ...gone, error }])
  })

  it("of which a part hangs has the verdict of tedge status, with the next step", async () => {
    const socket = await asked
    const { bridge: _, connection: __, ...rest } = snapshot
    socket.write(`${JSON.stringify({ ...rest, silent: true })}\n`)
    await until(() => told.length === 2)
    expect(told.at(-1)).toMatchObject({
      kind: "snapshot",
      state: "unknown",
      bad: false,
      error: expect.stringMatching(/a part of it does not answer/),
      hint: "see its log"
    })
  })

  it("that ends is asked for again soon: its manager called it active while it ended", async () => {
    await asked
    let isActive = true
    const manager = { ...commandServices(systemdCommands), name: "other", isActive: () => Effect.succeed(isActive) }
    const az = { name: "tedge-mapper-az", startedBy: "tedge connect az" }
    followed = { ...followed, manager, services: [...followed.services, az] }
    vi.advanceTimersByTime(5_000)
    await until(() => told.at(-1)?.service === az.name && told.at(-1)?.error?.includes("ENOENT") === true)
    isActive = false
    vi.advanceTimersByTime(250)
    await until(() => told.at(-1)?.bad === true)
    expect(told.at(-1)).toMatchObject({ error: "'tedge-mapper-az' is not running (inactive)", manager: "other" })
  })

  it("may send unknown events after a snapshot", async () => {
    const socket = await asked
    socket.write(`${JSON.stringify(snapshot)}\n{"version":1,"answer":"event","event":{"kind":"new"}}\n`)
    socket.write(`${JSON.stringify(snapshot)}\n`)
    await until(() => told.length === 3)
    expect(told.map(({ kind }) => kind)).toEqual(["gone", "snapshot", "snapshot"])
  })

  it("that does not run is judged as tedge status judges it, with the next step", async () => {
    await asked
    followed = {
      ...followed,
      services: [...followed.services, { name: "tedge-mapper-az", startedBy: "tedge connect az" }]
    }
    vi.advanceTimersByTime(5_000)
    await until(() => told.at(-1)?.service === "tedge-mapper-az" && told.at(-1)?.bad === true)
    expect(told.at(-1)).toEqual({
      ...gone,
      service: "tedge-mapper-az",
      state: "down",
      bad: true,
      error: "'tedge-mapper-az' is not running",
      hint: "start it: tedge connect az"
    })
  })

  it("that is no service of the device any more leaves the page", async () => {
    await asked
    followed = { ...followed, services: [] }
    vi.advanceTimersByTime(5_000)
    await until(() => told.at(-1)?.kind === "left")
    expect(told.at(-1)).toEqual({ kind: "left", service: name })
  })
})

describe("settings that cannot be read", () => {
  const note = { error: "cannot read tedge.toml", hint: "mend line 3" }
  const notes = () => told.filter(({ kind }) => kind === "note")

  it("are reported with the reason, also to a tab that opens later, until they can be read", async () => {
    await asked
    followed = { ...followed, note }
    await vi.advanceTimersByTimeAsync(5_000)
    expect(notes()).toEqual([{ kind: "note", ...note }])
    const later: Array<Told> = []
    feed.watch((line) => later.push(JSON.parse(line)))
    expect(later[0]).toEqual({ kind: "note", ...note })
    followed = { runPath: dir, manager: undefined, services: followed.services }
    await vi.advanceTimersByTimeAsync(10_000)
    expect(notes().slice(1)).toEqual([{ kind: "note" }])
  })
})
