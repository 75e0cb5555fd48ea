/** What `tedge status` says of a service that does not answer with a snapshot. */
import { chmodSync, mkdirSync, renameSync, statSync, writeFileSync } from "node:fs"
import { createServer, type Server, type Socket } from "node:net"
import { dirname, join } from "node:path"
import { Effect } from "effect"
import { describe, expect, it, onTestFinished, vi } from "vitest"
import { commandServices } from "../../../../src/actors/connect/services/command-services.ts"
import { systemdCommands } from "../../../../src/actors/connect/services/system-toml.ts"
import { type AskedService, askService } from "../../../../src/cli/commands/status/ask-service.ts"
import { plainLines } from "../../../../src/cli/commands/status/plain-lines.ts"
import { type ConnectionReport, exitCodeOf, type StatusReport } from "../../../../src/cli/commands/status/report.ts"
import { renderScreen } from "../../../../src/cli/commands/status/screen.ts"
import { serviceSocketPath, tooManyClients } from "../../../../src/messages/service-socket.ts"
import { connectionState } from "../../../../src/messages/status/verdict.ts"
import { tempDir } from "../../../support/temp-dir.ts"
import { snapshot } from "./reports.ts"

const mapper: AskedService = { name: "tedge-mapper-c8y", startedBy: "tedge connect c8y" }

const ask = (runPath: string, service = mapper) => Effect.runPromise(askService(service, runPath, undefined))

const listenAt = (path: string, onClient: (socket: Socket) => void): Promise<Server> => {
  mkdirSync(dirname(path), { recursive: true })
  return new Promise((resolve) => {
    const server = createServer((socket) => {
      socket.on("error", () => {})
      onClient(socket)
    })
    onTestFinished(() => void server.close())
    server.listen(path, () => resolve(server))
  })
}

describe("a service that runs", () => {
  it.each<[string, (socket: Socket) => void]>([
    ["closes the connection at once", (socket) => socket.destroy()],
    ["closes it after the question", (socket) => socket.on("data", () => socket.end())],
    ["sends a line without end", (socket) => socket.write("x".repeat(2_000_000))]
  ])("is not called stopped when it %s", async (_, onClient) => {
    const runPath = tempDir()
    await listenAt(serviceSocketPath(runPath, mapper.name), onClient)
    expect(await ask(runPath)).toMatchObject({
      state: "unknown",
      error: expect.stringMatching(/^'tedge-mapper-c8y' is running but does not report its status/)
    })
  })
})

it("a service of which a part hangs is not known to be up, and says why", async () => {
  const runPath = tempDir()
  const { bridge: _, connection: __, ...rest } = snapshot
  const told = JSON.stringify({ ...rest, silent: true })
  await listenAt(serviceSocketPath(runPath, mapper.name), (socket) => socket.end(`${told}\n`))
  const service = await ask(runPath)
  expect(service).toMatchObject({
    state: "unknown",
    error: "'tedge-mapper-c8y' is running but does not report its status (a part of it does not answer)",
    hint: "see its log"
  })
  const connection: ConnectionReport = { cloud: "c8y", state: connectionState(service), bad: false, service }
  const report: StatusReport = { version: 1, at: 0, connections: [connection], services: [] }
  expect(renderScreen(report, { width: 120, hasColour: false }).join("\n")).toMatch(
    /\n {2}why +.*a part of it does not/
  )
  expect(exitCodeOf(report)).toBe(1)
})

describe("the next step for a service that shows nothing", () => {
  it.each<[string, RegExp, (socket: Socket) => void]>([
    ["has too many clients", /end other programs that watch it/, (socket) => socket.end(`${tooManyClients}\n`)],
    ["is of another version", /older.*restart it/, (socket) => socket.end('{"version":1,"error":"not a question"}\n')],
    ["closes the connection", /ending, or restarting: ask again/, (socket) => socket.on("data", () => socket.end())]
  ])("fits one that %s", async (_, hint, onClient) => {
    const runPath = tempDir()
    await listenAt(serviceSocketPath(runPath, mapper.name), onClient)
    expect((await ask(runPath)).hint).toMatch(hint)
  })

  it("fits one that runs, and has no socket yet", async () => {
    const manager = { ...commandServices(systemdCommands), name: "other", isActive: () => Effect.succeed(true) }
    const { state, hint } = await Effect.runPromise(askService(mapper, tempDir(), manager))
    expect(state).toBe("unknown")
    expect(hint).toMatch(/^it may be starting or ending: ask again; if nothing changes, see its log/)
  })
})

it("a service beside thin-edge.io is started by the command that has that name there", async () => {
  const [program = ""] = process.argv.splice(1, 1, "/usr/bin/tedge-hsm")
  onTestFinished(() => void process.argv.splice(1, 1, program))
  const bridge = { name: "tedge-bridge-c8y", startedBy: "tedge connect c8y" }
  expect(await ask(tempDir(), bridge)).toMatchObject({ state: "down", hint: "start it: tedge-hsm connect c8y" })
})

it("a service whose socket is missing, or a file, does not run", async () => {
  const runPath = tempDir()
  const stopped = { state: "down", error: "'tedge-mapper-c8y' is not running", hint: "start it: tedge connect c8y" }
  expect(await ask(runPath)).toEqual({ name: mapper.name, bad: true, ...stopped })
  const path = serviceSocketPath(runPath, mapper.name)
  mkdirSync(dirname(path))
  writeFileSync(path, "")
  expect(await ask(runPath)).toEqual({ name: mapper.name, bad: true, ...stopped })
})

describe("a signing service without status socket", () => {
  const signing = (socketPath: string): AskedService => ({
    name: "tedge-p11-server",
    startedBy: "tedge-p11-server",
    socketPath
  })

  it("is up while a process listens on its own socket", async () => {
    const dir = tempDir()
    const path = join(dir, "p11.sock")
    await listenAt(path, () => {})
    expect(await ask(dir, signing(path))).toEqual({ name: "tedge-p11-server", state: "up", bad: false })
  })

  it("is down when its socket is left over, a plain file, or missing", async () => {
    const dir = tempDir()
    const leftOver = join(dir, "left-over.sock")
    await leaveSocket(leftOver)
    expect(statSync(leftOver).isSocket()).toBe(true)
    const file = join(dir, "file.sock")
    writeFileSync(file, "")
    for (const path of [leftOver, file, join(dir, "missing.sock")])
      expect(await ask(dir, signing(path))).toMatchObject({
        state: "down",
        error: "'tedge-p11-server' is not running",
        hint: "start it: tedge-p11-server"
      })
  })
})

describe("a signing service that systemd starts", () => {
  const service = (socketPath: string): AskedService => ({
    name: "tedge-p11-server",
    startedBy: "systemctl start tedge-p11-server",
    socketUnit: "tedge-p11-server.socket",
    socketPath
  })

  /** Asked with a systemctl that says of the units what is given here. */
  const asked = async (units: Readonly<Record<string, string>>, listens = false) => {
    const dir = tempDir()
    const cases = Object.entries(units).map(([unit, state]) => `${unit}) echo ActiveState=${state} ;;`)
    writeFileSync(join(dir, "systemctl"), `#!/bin/sh\nfor unit; do :; done\ncase $unit in ${cases.join(" ")} esac\n`)
    chmodSync(join(dir, "systemctl"), 0o755)
    vi.stubEnv("PATH", `${dir}:${process.env.PATH}`)
    onTestFinished(() => void vi.unstubAllEnvs())
    const path = join(dir, "p11.sock")
    let dialled = 0
    if (listens) await listenAt(path, () => (dialled += 1))
    const manager = commandServices(systemdCommands)
    const report = await Effect.runPromise(askService(service(path), dir, manager))
    return { report, dialled }
  }

  it("is idle while nothing runs and systemd listens for it, and is not started by the question", async () => {
    const units = { "tedge-p11-server": "inactive", "tedge-p11-server.socket": "active" }
    const { report, dialled } = await asked(units, true)
    expect(report).toMatchObject({ state: "up", idle: true, bad: false })
    expect(dialled).toBe(0)
    const status: StatusReport = { version: 1, at: 0, connections: [], services: [report] }
    expect(renderScreen(status, { width: 80, hasColour: false })[0]).toBe(
      "tedge-p11-server up and idle: its first client starts it"
    )
    expect(plainLines(status)[0]).toMatch(/ tedge-p11-server: up, idle$/)
    expect(exitCodeOf(status)).toBe(0)
  })

  it.each([
    [{ "tedge-p11-server": "inactive", "tedge-p11-server.socket": "inactive" }, "inactive"],
    [{ "tedge-p11-server": "failed", "tedge-p11-server.socket": "active" }, "failed"]
  ])("is down while nothing listens for it, or it failed: %o", async (units, state) => {
    expect((await asked(units)).report).toMatchObject({
      state: "down",
      bad: true,
      error: `'tedge-p11-server' is not running (${state})`,
      hint: "start it: systemctl start tedge-p11-server"
    })
  })
})

/** A socket file without listener, as a killed process leaves it: a server that closes removes only the name it listened at. */
const leaveSocket = async (path: string): Promise<void> => {
  const server = await listenAt(`${path}.alive`, () => {})
  renameSync(`${path}.alive`, path)
  await new Promise((resolve) => server.close(resolve))
}
