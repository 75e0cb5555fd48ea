/** A tedge-p11-server that does not know the request: commands say that it may be too old, and make nothing. */
import { existsSync } from "node:fs"
import { createServer, type Server } from "node:net"
import { join } from "node:path"
import { Result } from "effect"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { decodeFrame, encodeFrame } from "../../../../src/messages/wire/frame1.ts"
import { type InProcess, tedgeInProcess } from "../../../support/device/tedge-in-process.ts"
import { tempDir } from "../../../support/temp-dir.ts"
import { expectRefusal } from "./expect-refusal.ts"

const asksForScheme = (frame: Buffer): boolean => Result.getOrThrow(decodeFrame(frame))._tag === "ChooseSchemeRequest"

/** What thin-edge's service says to a frame it does not know. */
const unknown = encodeFrame({ _tag: "Error", message: "Failed to parse the received frame" })

let service: Server
let device: InProcess

beforeEach(async () => {
  const dir = tempDir()
  const socketPath = join(dir, "p11.sock")
  service = createServer((socket) => void socket.on("error", () => {}).once("data", () => socket.end(unknown)))
  await new Promise<void>((resolve) => void service.listen(socketPath, resolve))
  device = tedgeInProcess(dir)
  device.settings(`[device.cryptoki]\nmode = "socket"\nsocket_path = "${socketPath}"\n`)
})

afterEach(() => void service.close())

describe("a signing service that is too old", () => {
  it.each([
    [["cert", "create", "--device-id", "d"]],
    [["cert", "create-csr", "--device-id", "d"]],
    [["cert", "create-key-hsm", "pkcs11:token=t"]],
    [["hsm", "list-tokens"]],
    [["hsm", "delete-key", "pkcs11:token=t;object=k", "--force"]]
  ])("is told by %j", async (words) => {
    const sentence = "tedge-p11-server wasn't able to understand the request, perhaps because its version is too old"
    expectRefusal(await device.tedge(words), sentence, "tedge-p11-server --version")
    expect([existsSync(device.certPath), existsSync(device.csrPath)]).toEqual([false, false])
  })
})

describe.each([
  { says: "does not understand the rest", answer: unknown },
  { says: "closes on the rest", answer: undefined }
])("one that only signs, and $says,", ({ answer }) => {
  // As version 1.6.
  const refuses = (message: string) => {
    const refusal = encodeFrame({ _tag: "Error", message })
    service.removeAllListeners("connection")
    service.on("connection", (socket) => {
      socket
        .on("error", () => {})
        .once("data", (frame) => {
          const said = asksForScheme(frame) ? refusal : answer
          if (said === undefined) socket.end()
          else socket.end(said)
        })
    })
    return device.tedge(["cert", "create", "--device-id", "d"])
  }

  it("gets a hint for a missing key that can be followed with it", async () => {
    const { stderr } = await refuses("Failed to find a key")
    expect(stderr).toContain("hint: the signing service is too old to create keys: update tedge-p11-server")
    expect(stderr).not.toContain("create-key-hsm")
  })

  it("gets a hint for a missing token that can be followed with it", async () => {
    const { stderr } = await refuses("Didn't find a slot to use. The device may be disconnected.")
    expect(stderr).toContain("too old to list its tokens: update tedge-p11-server")
    expect(stderr).not.toMatch(/create-key-hsm|list-tokens|hsm init/)
  })
})
