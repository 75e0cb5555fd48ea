/** What `tedge status` says of a service that does not answer with a snapshot. */
import { mkdirSync, writeFileSync } from "node:fs"
import { createServer, type Socket } from "node:net"
import { dirname } from "node:path"
import { Effect } from "effect"
import { describe, expect, it, onTestFinished } from "vitest"
import { type AskedService, askService } from "../../../../src/cli/commands/status/ask-service.ts"
import { serviceSocketPath } from "../../../../src/messages/service-socket.ts"
import { tempDir } from "../../../support/temp-dir.ts"

const mapper: AskedService = { name: "tedge-mapper-c8y", startedBy: "tedge connect c8y", onDemand: false }

const ask = (runPath: string, service = mapper) => Effect.runPromise(askService(service, runPath, undefined))

const listenAt = (path: string, onClient: (socket: Socket) => void): Promise<void> => {
  mkdirSync(dirname(path), { recursive: true })
  return new Promise((resolve) => {
    const server = createServer((socket) => {
      socket.on("error", () => {})
      onClient(socket)
    })
    onTestFinished(() => void server.close())
    server.listen(path, resolve)
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
