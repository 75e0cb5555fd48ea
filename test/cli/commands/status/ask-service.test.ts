/** What `tedge status` says of a service that does not answer with a snapshot. */
import { mkdirSync, renameSync, statSync, writeFileSync } from "node:fs"
import { createServer, type Server, type Socket } from "node:net"
import { dirname, join } from "node:path"
import { Effect } from "effect"
import { describe, expect, it, onTestFinished } from "vitest"
import { type AskedService, askService } from "../../../../src/cli/commands/status/ask-service.ts"
import { serviceSocketPath } from "../../../../src/messages/service-socket.ts"
import { tempDir } from "../../../support/temp-dir.ts"

const mapper: AskedService = { name: "tedge-mapper-c8y", startedBy: "tedge connect c8y", onDemand: false }

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
      error: expect.stringMatching(/^'tedge-mapper-c8y' runs, and does not show its status/)
    })
  })
})

it("a service whose socket is missing, or a file, does not run", async () => {
  const runPath = tempDir()
  const stopped = { state: "down", error: "'tedge-mapper-c8y' does not run", hint: "start it: tedge connect c8y" }
  expect(await ask(runPath)).toEqual({ name: mapper.name, ...stopped })
  const path = serviceSocketPath(runPath, mapper.name)
  mkdirSync(dirname(path))
  writeFileSync(path, "")
  expect(await ask(runPath)).toEqual({ name: mapper.name, ...stopped })
})

describe("a signing service without status socket", () => {
  const signing = (socketPath: string): AskedService => ({
    name: "tedge-p11-server",
    startedBy: "tedge-p11-server",
    onDemand: false,
    socketPath
  })

  it("is up while a process listens on its own socket", async () => {
    const dir = tempDir()
    const path = join(dir, "p11.sock")
    await listenAt(path, () => {})
    expect(await ask(dir, signing(path))).toEqual({ name: "tedge-p11-server", state: "up" })
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
        error: "'tedge-p11-server' does not run",
        hint: "start it: tedge-p11-server"
      })
  })
})

/** A socket file without listener, as a killed process leaves it: a server that closes removes only the name it listened at. */
const leaveSocket = async (path: string): Promise<void> => {
  const server = await listenAt(`${path}.alive`, () => {})
  renameSync(`${path}.alive`, path)
  await new Promise((resolve) => server.close(resolve))
}
