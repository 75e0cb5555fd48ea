/** Whether pcscd serves a user, told apart by a service that the test plays. */
import { createServer, type Server } from "node:net"
import { join } from "node:path"
import { Effect } from "effect"
import { afterEach, expect, it } from "vitest"
import { pcscdServes } from "../../../src/platform/sockets/pcscd.ts"
import { tempDir } from "../../support/temp-dir.ts"

let server: Server | undefined
afterEach(() => void server?.close())

const played = async (treat: (socket: import("node:net").Socket) => void): Promise<string> => {
  const path = join(tempDir(), "pcscd.comm")
  server = createServer((socket) => {
    socket.on("error", () => undefined)
    treat(socket)
  })
  await new Promise<void>((resolve) => void server?.listen(path, resolve))
  return path
}

const serves = (path: string) => Effect.runPromise(pcscdServes(undefined, path))

it("a pcscd that answers the version serves", async () => {
  const asked: Array<string> = []
  const path = await played((socket) =>
    socket.on("data", (bytes: Buffer) => {
      asked.push(bytes.toString("hex"))
      socket.write(bytes.subarray(8))
    })
  )
  expect(await serves(path)).toBe(true)
  // Size, CMD_VERSION, major, minor, return code: 32 bits each, little endian.
  expect(asked).toEqual(["0c00000011000000040000000400000000000000"])
})

it("one that closes the connection refuses", async () => {
  expect(await serves(await played((socket) => socket.destroy()))).toBe(false)
})

it("a missing one is unknown", async () => {
  expect(await serves(join(tempDir(), "none"))).toBeUndefined()
})
