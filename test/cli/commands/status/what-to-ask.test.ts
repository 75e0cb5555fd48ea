/** Which connections `tedge status` shows, by the settings of the device. */
import { mkdirSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"
import { Effect } from "effect"
import { describe, expect, it, onTestFinished, vi } from "vitest"
import { askService } from "../../../../src/cli/commands/status/ask-service.ts"
import { plainLines } from "../../../../src/cli/commands/status/plain-lines.ts"
import { exitCodeOf, type StatusReport } from "../../../../src/cli/commands/status/report.ts"
import { renderScreen } from "../../../../src/cli/commands/status/screen.ts"
import { type Wanted, whatToAsk } from "../../../../src/cli/commands/status/what-to-ask.ts"
import { explain, type Failure } from "../../../../src/messages/explain.ts"
import { serviceSocketDir, serviceSocketPath } from "../../../../src/messages/service-socket.ts"
import { connectionState } from "../../../../src/messages/status/verdict.ts"
import { configBench } from "../../../actors/config/config-bench.ts"

import { snapshot } from "./reports.ts"

const { bench, toml, answer, refusal } = configBench()

const ask = (wanted: Partial<Wanted>) => (config: Parameters<typeof whatToAsk>[0]) =>
  whatToAsk(config, { cloud: undefined, profile: undefined, ...wanted }, bench.dir)

const connections = async (wanted: Partial<Wanted> = {}) => (await answer(ask(wanted))).connections

const names = async (wanted: Partial<Wanted> = {}) => (await connections(wanted)).map(({ service }) => service.name)

describe("a system.toml that is not valid", () => {
  it("is said, and what its service manager would know is not taken for known", async () => {
    toml('[c8y]\nurl = "t.example"\n')
    writeFileSync(join(bench.dir, "system.toml"), '[init]\nname = "mine"\n')
    const asked = await answer(ask({}))
    expect(asked).toMatchObject({
      manager: undefined,
      connections: [{ cloud: "c8y" }],
      note: { error: expect.stringMatching(/system config file/), hint: expect.stringMatching(/system\.toml/) }
    })
    const report: StatusReport = { version: 1, at: 0, connections: [], services: [], note: asked.note?.error ?? "" }
    expect(exitCodeOf(report)).toBe(1)
  })
})

describe("a connection whose settings are not valid", () => {
  it("is listed with the reason, is not known to be up, and the exit code says so", async () => {
    toml('[c8y]\nurl = "https://t.example/"\n[az]\nurl = "v.example"\n')
    const [c8y, az] = await connections()
    expect(az).toMatchObject({ cloud: "az", host: "v.example", service: { name: "tedge-mapper-az" } })
    if (c8y === undefined) throw new Error("c8y is not listed")
    const service = await Effect.runPromise(askService(c8y.service, bench.dir, undefined))
    expect(service).toMatchObject({
      name: "tedge-mapper-c8y",
      state: "unknown",
      error: expect.stringMatching(/c8y\.url/)
    })
    const connection = { ...c8y, service, state: connectionState(service), bad: false }
    const report: StatusReport = { version: 1, at: 0, connections: [connection], services: [] }
    expect(exitCodeOf(report)).toBe(1)
  })

  it("is asked all the same: what runs has older settings, which are not said to be good", async () => {
    toml('[c8y]\nurl = "https://t.example/"\n')
    const [c8y] = await connections()
    if (c8y === undefined) throw new Error("c8y is not listed")
    const path = serviceSocketPath(bench.dir, c8y.service.name)
    mkdirSync(serviceSocketDir(bench.dir), { recursive: true })
    const server = createServer((socket) => socket.once("data", () => socket.end(`${JSON.stringify(snapshot)}\n`)))
    onTestFinished(() => void server.close())
    await new Promise<void>((resolve) => server.listen(path, resolve))
    const service = await Effect.runPromise(askService(c8y.service, bench.dir, undefined))
    expect(service).toMatchObject({ state: "up", bad: false, snapshot, error: expect.stringMatching(/c8y\.url/) })
    const connection = { ...c8y, service, state: connectionState(service), bad: service.bad }
    const report: StatusReport = { version: 1, at: 0, connections: [connection], services: [] }
    expect(exitCodeOf(report)).toBe(1)
    const screen = renderScreen(report, { width: 120, hasColour: false }).join("\n")
    expect(screen).toMatch(/^Cumulocity \(c8y\) up for /)
    expect(screen).toMatch(/\n {2}settings +.*c8y\.url/)
  })

  it("is listed where it is the only one, and with a valid url too", async () => {
    toml('[c8y.profiles.bad]\nurl = "t.example"\nauth_method = "nothing"\n')
    for (const wanted of [{}, { cloud: "c8y" } as const, { profile: "BAD" }])
      expect(await connections(wanted)).toMatchObject([
        { cloud: "c8y", profile: "bad", service: { name: "tedge-mapper-c8y@bad", failure: { _tag: "InvalidSetting" } } }
      ])
  })

  it("is no connection while no url is set", async () => {
    toml('[c8y]\nauth_method = "nothing"\n')
    expect(await refusal(ask({}))).toMatchObject({ _tag: "NothingConnected" })
  })
})

it("--profile without cloud shows the connections of that profile alone", async () => {
  toml('[c8y]\nurl = "a.example"\n[c8y.profiles.second]\nurl = "b.example"\n[az.profiles.second]\nurl = "c.example"\n')
  expect(await names({ profile: "second" })).toEqual(["tedge-mapper-c8y@second", "tedge-mapper-az@second"])
  expect(await names()).toEqual(["tedge-mapper-c8y", "tedge-mapper-c8y@second", "tedge-mapper-az@second"])
  expect(await refusal(ask({ profile: "third" }))).toMatchObject({ _tag: "NothingConnected", profile: "third" })
})

describe("one wrong line in the settings", () => {
  const withSockets = (...services: ReadonlyArray<string>) => {
    const runPath = join(bench.dir, "run")
    vi.stubEnv("TEDGE_RUN_PATH", runPath)
    onTestFinished(() => void vi.unstubAllEnvs())
    mkdirSync(serviceSocketDir(runPath), { recursive: true })
    for (const service of services) writeFileSync(serviceSocketPath(runPath, service), "")
  }

  it.each([
    ["of a setting that all share", '[mqtt]\nclient.port = "none"\n[c8y]\nurl = "t.example"\n', /mqtt\.client\.port/],
    ["that is no TOML", '[c8y]\nurl = "t.example\n', /tedge\.toml/]
  ])("%s does not hide what runs, and the exit code is 1", async (_, text, error) => {
    toml(text)
    withSockets("tedge-mapper-c8y", "tedge-p11-server")
    const { connections, services, note } = await answer(ask({}))
    expect(connections).toMatchObject([{ cloud: "c8y", service: { name: "tedge-mapper-c8y" } }])
    expect(services).toMatchObject([{ name: "tedge-p11-server" }])
    expect(note?.error).toMatch(error)
    const report: StatusReport = { version: 1, at: 0, connections: [], services: [], note: note?.error ?? "" }
    expect(exitCodeOf(report)).toBe(1)
    expect(exitCodeOf({ ...report, services: [{ name: "x", state: "down", bad: true }] })).toBe(3)
    expect(plainLines({ ...report, hint: "a step" })[0]).toMatch(/^1970\S+Z .*\(a step\)$/)
  })

  it("that is no TOML hides run.path: the hint says where services were looked for", async () => {
    toml('[run]\npath = "/elsewhere"\n[c8y\n')
    const hint = "services are looked for in '/run': with another run.path, set TEDGE_RUN_PATH"
    const failure = (await refusal(ask({ profile: "none-with-this-name" }))) as Failure
    expect(explain(failure).hint).toContain(hint)
    withSockets("tedge-mapper-c8y")
    expect((await answer(ask({}))).note?.hint).not.toContain("/run'")
  })

  it("is the reason where nothing runs", async () => {
    toml('[mqtt]\nclient.port = "none"\n')
    withSockets()
    expect(await refusal(ask({}))).toMatchObject({ _tag: "InvalidSetting" })
  })

  it("does not make a connection of a profile that does not exist", async () => {
    toml('[c8y]\nurl = "t.example"\n')
    withSockets("tedge-mapper-c8y@third")
    expect(await refusal(ask({ cloud: "c8y", profile: "third" }))).toMatchObject({ _tag: "UnknownProfile" })
  })
})

it("settings that cannot be read are the reason where no service has a socket", async () => {
  mkdirSync(join(bench.dir, "tedge.toml"))
  vi.stubEnv("TEDGE_RUN_PATH", join(bench.dir, "run"))
  onTestFinished(() => void vi.unstubAllEnvs())
  const unreadable = { _tag: "ConfigFileUnreadable", code: "EISDIR", path: join(bench.dir, "tedge.toml") }
  expect(await refusal(ask({}))).toMatchObject(unreadable)
  mkdirSync(serviceSocketDir(join(bench.dir, "run")), { recursive: true })
  writeFileSync(serviceSocketPath(join(bench.dir, "run"), "tedge-mapper-c8y"), "")
  expect(await names()).toEqual(["tedge-mapper-c8y"])
  expect(await refusal(ask({ cloud: "az" }))).toMatchObject(unreadable)
})
