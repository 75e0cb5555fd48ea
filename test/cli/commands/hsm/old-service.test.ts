/** A tedge-p11-server that does not know the request: commands say that it may be too old, and make nothing. */
import { existsSync } from "node:fs"
import { createServer, type Server } from "node:net"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { encodeFrame } from "../../../../src/messages/wire/frame1.ts"
import { type InProcess, tedgeInProcess } from "../../../support/tedge-in-process.ts"
import { tempDir } from "../../../support/temp-dir.ts"
import { expectRefusal } from "./expect-refusal.ts"

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
