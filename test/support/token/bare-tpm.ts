/** A TPM without a resource manager that a test fills with sessions and empties again. */
import { once } from "node:events"
import { connect } from "node:net"
import { startBareTpm } from "../../../scripts/lib/device/tpm.mjs"
import { makeTempDir, removeTempDir } from "../temp-dir.ts"

export interface BareTpm {
  readonly modulePath: string
  readonly env: Readonly<Record<string, string>>
  /** Starts sessions until the TPM refuses the next, as programs do that leave theirs behind. Answers its response code. */
  readonly fill: () => Promise<number>
  /** Ends the sessions of `fill`. */
  readonly empty: () => Promise<void>
  readonly cleanup: () => Promise<void>
}

export const bareTpm = async (): Promise<BareTpm> => {
  const dir = makeTempDir()
  const { modulePath, env, port, stop } = await startBareTpm(dir)
  const sessions: Array<number> = []
  const fill = async () => {
    for (;;) {
      const response = await command(port, startSession)
      const code = response.readUInt32BE(6)
      if (code !== 0) return code
      sessions.push(response.readUInt32BE(10))
    }
  }
  const empty = async () => {
    for (const session of sessions.splice(0)) await command(port, flush(session))
  }
  const cleanup = async () => {
    await stop()
    removeTempDir(dir)
  }
  return { modulePath, env, fill, empty, cleanup }
}

const command = async (port: number, bytes: Buffer): Promise<Buffer> => {
  const socket = connect(port, "127.0.0.1")
  socket.write(bytes)
  const [response] = await once(socket, "data")
  socket.destroy()
  return response as Buffer
}

/** TPM 2.0 Library, part 3, 11.1: an HMAC session with SHA-256, bound and salted by nothing. */
const startSession = Buffer.from(
  `8001 0000003b 00000176 40000007 40000007 0010 ${"11".repeat(16)} 0000 00 0010 000b`.replaceAll(" ", ""),
  "hex"
)
startSession.writeUInt32BE(startSession.length, 2)

/** Part 3, 28.4. */
const flush = (handle: number): Buffer => {
  const bytes = Buffer.from("80010000000e0000016500000000", "hex")
  bytes.writeUInt32BE(handle, 10)
  return bytes
}
