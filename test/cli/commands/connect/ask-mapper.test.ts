/** A mapper that is asked for the verdict of the cloud. */
import { createServer } from "node:net"
import { join } from "node:path"
import { Effect } from "effect"
import { expect, it, onTestFinished } from "vitest"
import { checkCloud } from "../../../../src/cli/commands/connect/ask-mapper.ts"
import { tooManyClients } from "../../../../src/messages/service-socket.ts"
import { tempDir } from "../../../support/temp-dir.ts"

it("a mapper that has too many clients is asked again", async () => {
  const path = join(tempDir(), "mapper.sock")
  const verdict = { version: 1, answer: "check", ok: false, health: "up", reason: "none" }
  const answers = [tooManyClients, JSON.stringify(verdict)]
  const server = createServer((socket) => void socket.on("error", () => {}).end(`${answers.shift()}\n`))
  onTestFinished(() => void server.close())
  await new Promise<void>((resolve) => server.listen(path, resolve))
  expect(await Effect.runPromise(checkCloud(path, 30_000))).toEqual(verdict)
})
