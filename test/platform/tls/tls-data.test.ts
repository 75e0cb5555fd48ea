/** Data through a connection: whole, in order, and never more in memory than the reader takes. */
import { createHash, randomBytes } from "node:crypto"
import { once } from "node:events"
import type { Socket } from "node:net"
import { createServer, connect as dial } from "node:net"
import { pipeline } from "node:stream/promises"
import type { TLSSocket } from "node:tls"
import fc from "fast-check"
import { afterAll, describe, expect, it } from "vitest"
import { connectTls, type TlsSignerStream } from "../../../src/platform/tls/tls-signer-stream.ts"
import { later } from "../../support/later.ts"
import { testPki } from "../../support/tls/pki.ts"
import { pemSigner, startTlsServer, targetOf } from "../../support/tls/tls-server.ts"

const pki = testPki()
afterAll(pki.remove)
const sign = pemSigner(pki.deviceKeyPem)

const digest = (data: Buffer) => createHash("sha256").update(data).digest("hex")

const megabyte = 1024 * 1024

/** Everything until the other side ends. */
const readAll = async (stream: TlsSignerStream | TLSSocket): Promise<Buffer> => {
  const parts: Array<Buffer> = []
  for await (const part of stream) parts.push(part as Buffer)
  return Buffer.concat(parts)
}

describe("a connection", () => {
  it("transfers 20 MB in both directions", async () => {
    const server = await startTlsServer(pki)
    const sent = randomBytes(20 * megabyte)
    const stream = connectTls(targetOf(pki, server.port), sign)
    stream.write(sent)
    const parts: Array<Buffer> = []
    let length = 0
    for await (const part of stream) {
      parts.push(part as Buffer)
      length += (part as Buffer).length
      if (length >= sent.length) break
    }
    expect(digest(Buffer.concat(parts))).toBe(digest(sent))
    await server.close()
  })

  it("keeps every byte, however it is cut into writes", async () => {
    const server = await startTlsServer(pki)
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ minLength: 1, maxLength: 40_000 }), { minLength: 1, maxLength: 12 }),
        async (pieces) => {
          const sent = Buffer.concat(pieces)
          const stream = connectTls(targetOf(pki, server.port), sign)
          for (const piece of pieces) stream.write(piece)
          stream.end()
          expect((await readAll(stream)).equals(sent)).toBe(true)
        }
      ),
      { numRuns: 25 }
    )
    await server.close()
  })

  it("ends when the server ends, after its last byte", async () => {
    const server = await startTlsServer(pki, {}, (socket) => socket.end("the end"))
    const stream = connectTls(targetOf(pki, server.port), sign)
    expect((await readAll(stream)).toString()).toBe("the end")
    await server.close()
  })

  it("notifies the server of its end", async () => {
    const heard = later<Buffer>()
    const server = await startTlsServer(pki, {}, (socket) => heard.resolve(readAll(socket)))
    const stream = connectTls(targetOf(pki, server.port), sign)
    stream.end("the end")
    expect((await heard.promise).toString()).toBe("the end")
    await server.close()
  })

  it("takes no more from the server than the reader reads", async () => {
    let taken = 0
    const server = await startTlsServer(pki, {}, (socket) => {
      const chunk = Buffer.alloc(64 * 1024)
      const more = () => {
        while (socket.write(chunk)) taken += chunk.length
      }
      socket.on("drain", more)
      more()
    })
    const stream = connectTls(targetOf(pki, server.port), sign)
    await once(stream, "readable")
    const settled = await settle(() => taken)
    expect(stream.readableLength).toBeLessThanOrEqual(256 * 1024)
    expect(settled).toBeLessThan(32 * megabyte) // what the two kernels' socket buffers hold
    stream.destroy()
    await server.close()
  })

  it("takes no more from the writer than the server reads", async () => {
    const server = await startTlsServer(pki, {}, (socket) => socket.pause())
    const stream = connectTls(targetOf(pki, server.port), sign)
    await once(stream, "secureConnect")
    let given = 0
    const chunk = Buffer.alloc(64 * 1024)
    const more = () => {
      while (stream.write(chunk)) given += chunk.length
    }
    stream.on("drain", more)
    more()
    expect(await settle(() => given)).toBeLessThan(32 * megabyte)
    expect(stream.writableLength).toBeLessThanOrEqual(256 * 1024)
    stream.destroy()
    await server.close()
  })

  it("takes no more from the writer than one buffer before the handshake is over", async () => {
    const server = await startTlsServer(pki)
    const stream = connectTls(targetOf(pki, server.port), () => new Promise(() => undefined))
    while (stream.write(Buffer.alloc(16 * 1024)));
    expect(stream.writableLength).toBeLessThanOrEqual(80 * 1024)
    stream.destroy()
    await server.close()
  })

  it("takes no more from a server that talks while the signature is awaited than one buffer", async () => {
    const server = await startTlsServer(pki)
    let flooded = 0
    const flood = createServer((socket: Socket) => {
      const onward = dial(server.port, "127.0.0.1")
      socket.pipe(onward)
      onward.on("error", () => undefined)
      socket.on("error", () => undefined).on("close", () => onward.destroy())
      onward.on("data", (data) => socket.write(data))
      asked.promise.then(() => {
        const record = Buffer.concat([Buffer.from([23, 3, 3, 64, 0]), Buffer.alloc(16_384)])
        const more = () => {
          while (!socket.destroyed && socket.write(record)) flooded += record.length
        }
        socket.on("drain", more)
        more()
      })
    })
    const asked = later<void>()
    await new Promise<void>((resolve) => flood.listen(0, "127.0.0.1", resolve))
    const stuck = () => {
      asked.resolve(undefined)
      return new Promise<Uint8Array>(() => undefined)
    }
    const stream = connectTls(targetOf(pki, (flood.address() as { port: number }).port), stuck)
    await asked.promise
    expect(await settle(() => flooded)).toBeLessThan(32 * megabyte)
    stream.destroy()
    await new Promise((resolve) => flood.close(resolve))
    await server.close()
  })

  it("sends the first data with the end of the handshake", async () => {
    const server = await startTlsServer(pki)
    const writes: Array<number> = []
    const watcher = createServer((socket) => {
      const onward = dial(server.port, "127.0.0.1")
      socket.on("data", (data) => {
        writes.push(data.length)
        onward.write(data)
      })
      onward.pipe(socket)
      socket.on("close", () => onward.destroy())
    })
    await new Promise<void>((resolve) => watcher.listen(0, "127.0.0.1", resolve))
    const stream = connectTls(targetOf(pki, (watcher.address() as { port: number }).port), sign)
    stream.write("first")
    await once(stream, "data")
    expect(writes.length).toBe(2) // ClientHello; then certificate, signature, Finished and data
    stream.destroy()
    await new Promise((resolve) => watcher.close(resolve))
    await server.close()
  })

  it("works as the end of a pipeline", async () => {
    const heard = later<Buffer>()
    const server = await startTlsServer(pki, {}, (socket) => heard.resolve(readAll(socket)))
    const sent = randomBytes(3 * megabyte)
    await pipeline([sent], connectTls(targetOf(pki, server.port), sign))
    expect(digest(await heard.promise)).toBe(digest(sent))
    await server.close()
  })
})

/** The value once it has stopped growing: the same for 20 turns in a row. */
const settle = async (read: () => number): Promise<number> => {
  let last = -1
  for (let calm = 0; calm < 20; calm++) {
    await new Promise((resolve) => setTimeout(resolve, 5))
    if (read() !== last) calm = 0
    last = read()
  }
  return last
}
