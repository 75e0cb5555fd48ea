/** One bit of a connection turned over: it ends in an error, or in silence, or that bit did not matter. Never more. */
import { connect as dial, type Socket } from "node:net"
import { Duplex } from "node:stream"
import fc from "fast-check"
import { afterAll, describe, expect, it } from "vitest"
import { tlsAddon } from "../../../src/platform/tls/tls-addon.ts"
import { connectTls } from "../../../src/platform/tls/tls-signer-stream.ts"
import { testPki } from "../../support/tls/pki.ts"
import { exchange, pemSigner, startTlsServer, targetOf } from "../../support/tls/tls-server.ts"

const pki = testPki()
afterAll(pki.remove)
const sign = pemSigner(pki.deviceKeyPem)

interface Flip {
  readonly direction: "toServer" | "toClient"
  /** Counted from the first byte of that direction. */
  readonly byte: number
  readonly bit: number
}

const flip = (data: Buffer, passed: number, { byte, bit }: Flip): Buffer => {
  const at = byte - passed
  if (at < 0 || at >= data.length) return data
  const copy = Buffer.from(data)
  copy.writeUInt8(copy.readUInt8(at) ^ (1 << bit), at)
  return copy
}

/** The socket, with that bit flipped on the way. A broken connection says nothing more: it ends when it has been quiet. */
const flipping = (socket: Socket, where: Flip): Duplex => {
  const passed = { toServer: 0, toClient: 0 }
  const through = (direction: Flip["direction"], data: Buffer) => {
    const result = where.direction === direction ? flip(data, passed[direction], where) : data
    passed[direction] += data.length
    return result
  }
  const meddler = new Duplex({
    read: () => undefined,
    write: (chunk: Buffer, _encoding, done) => void socket.write(through("toServer", chunk), done),
    destroy: (error, done) => {
      socket.destroy()
      done(error)
    }
  })
  socket.on("data", (data) => meddler.push(through("toClient", data)))
  socket.setTimeout(250, () => meddler.destroy()).on("end", () => meddler.push(null))
  socket.on("error", (error) => meddler.destroy(error)).on("close", () => meddler.destroy())
  return meddler
}

describe.each(["TLSv1.3", "TLSv1.2"] as const)("a connection over %s with a flipped bit", (version) => {
  it("delivers what was sent, or fails", async () => {
    const server = await startTlsServer(pki, { minVersion: version, maxVersion: version })
    const flips = fc.record({
      direction: fc.constantFrom("toServer" as const, "toClient" as const),
      byte: fc.nat({ max: 1800 }),
      bit: fc.nat({ max: 7 })
    })
    await fc.assert(
      fc.asyncProperty(flips, async (where) => {
        const socket = flipping(dial(server.port, "127.0.0.1"), where)
        const stream = connectTls(targetOf(pki, server.port, { socket }), sign)
        const heard = await exchange(stream).catch((error: unknown) => error)
        expect(heard instanceof Error || heard === "hello").toBe(true)
      }),
      { numRuns: 60 }
    )
    expect(tlsAddon().connections()).toBe(0)
    await server.close()
  })
})
