/** Servers that are not who they should be, or misbehave: each ends in one error that says what it was. */
import { generateKeyPairSync, randomBytes } from "node:crypto"
import { once } from "node:events"
import { type AddressInfo, createServer, connect as dial, type Server, type Socket } from "node:net"
import { Duplex } from "node:stream"
import { afterAll, afterEach, describe, expect, it } from "vitest"
import { tlsAddon } from "../../../src/platform/tls/tls-addon.ts"
import { connectTls } from "../../../src/platform/tls/tls-signer-stream.ts"
import { startOpensslServer } from "../../support/tls/openssl-server.ts"
import { makeCa, makeDeviceCertificate, makeServerCertificate, type TestPki, testPki } from "../../support/tls/pki.ts"
import { exchange, failureOf, pemSigner, startTlsServer, targetOf } from "../../support/tls/tls-server.ts"

const pki = testPki()
afterAll(pki.remove)
afterEach(() => expect(tlsAddon().connections()).toBe(0))
const sign = pemSigner(pki.deviceKeyPem)

/** A server below TLS. */
const rawServer = async (serve: (socket: Socket) => void): Promise<{ port: number; close: () => Promise<void> }> => {
  const server: Server = createServer({ noDelay: true }, (socket) => {
    socket.on("error", () => undefined)
    serve(socket)
    socket.resume()
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const close = () => new Promise<void>((resolve) => server.close(() => resolve()))
  return { port: (server.address() as AddressInfo).port, close }
}

/** Hands on what is received one byte at a time, each in a turn of the event loop of its own. */
const byteByByte = (socket: Socket): Duplex => {
  const waiting: Array<number> = []
  const next = () => {
    const byte = waiting.shift()
    if (byte === undefined || slow.destroyed) return
    slow.push(Buffer.from([byte]))
    setImmediate(next)
  }
  const slow = new Duplex({
    read: () => undefined,
    write: (chunk: Buffer, _encoding, done) => void socket.write(chunk, done),
    destroy: (error, done) => {
      socket.destroy()
      done(error)
    }
  })
  socket.on("data", (data) => {
    if (waiting.push(...data) === data.length) setImmediate(next)
  })
  socket.on("error", (error) => slow.destroy(error)).on("close", () => slow.destroy())
  return slow
}

const versions = ["TLSv1.3", "TLSv1.2"] as const

const otherCa = makeCa(pki.dir, "Other CA")
const withServer = (validity: "expired" | "notYetValid"): TestPki => {
  const { certPem, keyPem } = makeServerCertificate(pki.ca, { validity })
  return { ...pki, serverCertPem: certPem, serverKeyPem: keyPem }
}
const forClient = { ...makeDeviceCertificate(pki.ca, { names: "DNS:localhost" }) }

describe.each(versions)("over %s, a server", (version) => {
  const refusedBy = async (asServer: TestPki, changes: Parameters<typeof targetOf>[2], signer = sign) => {
    const server = await startTlsServer(asServer, { minVersion: version, maxVersion: version })
    const failure = await failureOf(connectTls(targetOf(pki, server.port, changes), signer))
    await server.close()
    return failure
  }
  const neverSigns = () => Promise.reject(new Error("asked to sign for a server that is not trusted"))

  it.each([
    ["with another name", pki, { serverName: "other.example" }, 62],
    ["with another IPv4 address", pki, { serverName: "127.0.0.2" }, 64],
    ["with another IPv6 address", pki, { serverName: "::2" }, 64],
    ["of an unknown CA", pki, { ca: otherCa.certPem }, 19],
    ["whose certificate has expired", withServer("expired"), {}, 10],
    ["whose certificate is not valid yet", withServer("notYetValid"), {}, 9],
    [
      "with a client's certificate",
      { ...pki, serverCertPem: forClient.certPem, serverKeyPem: forClient.keyPem },
      {},
      26
    ]
  ] as const)("%s is refused before anything is signed", async (_what, asServer, changes, verifyCode) => {
    expect(await refusedBy(asServer, changes, neverSigns)).toMatchObject({
      code: "ERR_TLS_HANDSHAKE",
      reason: expect.stringContaining("certificate verify failed"),
      verifyCode
    })
  })

  const flag = version === "TLSv1.3" ? "-tls1_3" : "-tls1_2"
  const expired = makeDeviceCertificate(pki.ca, { validity: "expired" })

  // In TLS 1.3 these alerts come after our side of the handshake is over (RFC 8446, appendix D.5).
  it.each([
    ["does not know our CA", pki.deviceCertPem, pki.deviceKeyPem, otherCa.certFile, 48],
    ["finds our certificate expired", expired.certPem, expired.keyPem, pki.caFile, 45]
  ] as const)("that %s is heard", async (_what, certificateChain, keyPem, trusted, alert) => {
    const server = await startOpensslServer(pki, [flag], trusted)
    const stream = connectTls(targetOf(pki, server.port, { certificateChain }), pemSigner(keyPem))
    expect(await failureOf(stream)).toMatchObject({ code: "ERR_TLS_HANDSHAKE", alert })
    await server.close()
  })

  // In TLS 1.2 the request for our certificate then comes apart from what follows it.
  it("may send its records a byte at a time", async () => {
    const server = await startTlsServer(pki, { minVersion: version, maxVersion: version })
    const socket = byteByByte(dial(server.port, "127.0.0.1"))
    expect(await exchange(connectTls(targetOf(pki, server.port, { socket }), sign))).toBe("hello")
    await server.close()
  })

  it("that breaks a record after data has flowed ends the stream with an error", async () => {
    const server = await startTlsServer(pki, { minVersion: version, maxVersion: version })
    let breakNext = false
    const meddler = await rawServer((socket) => {
      const onward = dial(server.port, "127.0.0.1")
      socket.pipe(onward)
      onward.on("data", (data) => {
        if (breakNext) data.writeUInt8(data.readUInt8(data.length - 1) ^ 1, data.length - 1)
        socket.write(data)
      })
      onward.on("error", () => socket.destroy()).on("close", () => socket.destroy())
      socket.on("close", () => onward.destroy())
    })
    const stream = connectTls(targetOf(pki, meddler.port), sign)
    const failure = new Promise((resolve) => stream.on("error", resolve))
    stream.once("data", () => {
      breakNext = true
      stream.write("again")
    })
    stream.write("once")
    expect(await failure).toMatchObject({ code: "ERR_TLS_RECORD" })
    await meddler.close()
    await server.close()
  })
})

describe("a server that", () => {
  const failureAt = async (serve: (socket: Socket) => void) => {
    const server = await rawServer(serve)
    const failure = await failureOf(connectTls(targetOf(pki, server.port, { timeoutMs: 5_000 }), sign))
    await server.close()
    return failure
  }

  it("closes at once", async () => {
    expect(await failureAt((socket) => socket.end())).toMatchObject({ code: "ECONNRESET" })
  })

  it("closes after the ClientHello", async () => {
    expect(await failureAt((socket) => socket.once("data", () => socket.end()))).toMatchObject({
      code: "ECONNRESET",
      reason: "handshake"
    })
  })

  it("resets the connection", async () => {
    expect(await failureAt((socket) => socket.once("data", () => socket.resetAndDestroy()))).toMatchObject({
      code: "ECONNRESET"
    })
  })

  it("talks another protocol", async () => {
    expect(await failureAt((socket) => socket.end("220 mail.example ESMTP\r\n"))).toMatchObject({
      code: "ERR_TLS_HANDSHAKE",
      reason: expect.stringContaining("wrong version number")
    })
  })

  it("talks rubbish", async () => {
    const failure = await failureAt((socket) => socket.end(randomBytes(500)))
    expect(failure).toMatchObject({ code: expect.stringMatching(/ERR_TLS_HANDSHAKE|ECONNRESET/) })
  })

  it("refuses with an alert", async () => {
    const handshakeFailure = Buffer.from([21, 3, 3, 0, 2, 2, 40])
    expect(await failureAt((socket) => socket.once("data", () => socket.end(handshakeFailure)))).toMatchObject({
      code: "ERR_TLS_HANDSHAKE",
      alert: 40
    })
  })

  it("says nothing", async () => {
    const server = await rawServer((socket) => socket.resume())
    const failed = failureOf(connectTls(targetOf(pki, server.port, { timeoutMs: 1_000 }), sign))
    expect(await failed).toMatchObject({ code: "ERR_TLS_TIMEOUT", reason: "handshake" })
    await server.close()
  })

  it("has gone before we begin", async () => {
    const server = await rawServer((socket) => socket.resume())
    const socket = dial(server.port, "127.0.0.1")
    await once(socket, "connect")
    socket.destroy()
    await once(socket, "close")
    expect(await failureOf(connectTls(targetOf(pki, server.port, { socket }), sign))).toMatchObject({
      code: "ECONNRESET",
      reason: "dialling"
    })
    await server.close()
  })

  it("does not listen", async () => {
    const server = await rawServer(() => undefined)
    await server.close()
    expect(await failureOf(connectTls(targetOf(pki, server.port), sign))).toMatchObject({ code: "ECONNREFUSED" })
  })

  it("knows no TLS 1.3, when that is the least we take", async () => {
    const server = await startTlsServer(pki, { maxVersion: "TLSv1.2" })
    const failed = failureOf(connectTls(targetOf(pki, server.port, { minVersion: "TLSv1.3" }), sign))
    expect(await failed).toMatchObject({ code: "ERR_TLS_HANDSHAKE", alert: 70 })
    await server.close()
  })

  it("agrees on no application protocol", async () => {
    const server = await startTlsServer(pki, { ALPNProtocols: ["http/1.1"] })
    const failed = failureOf(connectTls(targetOf(pki, server.port, { alpn: ["mqtt"] }), sign))
    expect(await failed).toMatchObject({ code: "ERR_TLS_HANDSHAKE", alert: 120 })
    await server.close()
  })
})

describe("a target that cannot be used", () => {
  it.each([
    ["no trusted certificate", { ca: "nothing" }],
    ["no client certificate", { certificateChain: "" }],
    [
      "a malformed client certificate",
      { certificateChain: "-----BEGIN CERTIFICATE-----\nTm8=\n-----END CERTIFICATE-----" }
    ],
    ["no certificate for the key", { publicKey: Buffer.from(makeKeyOnly(), "base64") }],
    ["an empty server name", { serverName: "" }],
    ["a server name with a NUL", { serverName: "localhost\0.example" }]
  ])("with %s fails before anything is sent", async (_what, changes) => {
    let connections = 0
    const server = await rawServer((socket) => {
      connections++
      socket.destroy()
    })
    const failure = await failureOf(connectTls(targetOf(pki, server.port, changes), sign))
    expect(failure).toMatchObject({ code: "ERR_TLS_SETTINGS" })
    await server.close()
    expect(connections).toBe(0)
  })
})

describe("an invalid port", () => {
  it("fails and leaves nothing open", async () => {
    const failure = await failureOf(connectTls(targetOf(pki, 65_536), sign))
    expect(failure).toMatchObject({ code: "ERR_SOCKET_BAD_PORT" })
  })
})

/** SubjectPublicKeyInfo of a key without a certificate. */
function makeKeyOnly() {
  const { publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
  return publicKey.export({ type: "spki", format: "der" }).toString("base64")
}
