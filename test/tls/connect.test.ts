/** `connect`, the agents and stream builders, with keys of the program's own. */
import { X509Certificate } from "node:crypto"
import { once } from "node:events"
import { get } from "node:https"
import { connect as dial } from "node:net"
import { text } from "node:stream/consumers"
import { TLSSocket } from "node:tls"
import { describe, expect, it, onTestFinished } from "vitest"
import { TlsError } from "../../src/platform/tls/tls-error.ts"
import type { ConnectOptions } from "../../src/tls/connect-options.ts"
import { connectionError } from "../../src/tls/connection-errors.ts"
import { createAgent } from "../../src/tls/https-agent.ts"
import { connect } from "../../src/tls/open-connection.ts"
import type { TlsStream } from "../../src/tls/tls-stream.ts"
import { TokenError } from "../../src/tls/token-error.ts"
import { undiciConnector } from "../../src/tls/undici-connector.ts"
import { makeServerCertificate, type TestPki, testPki } from "../support/tls/pki.ts"
import { ownKey, startServer } from "./library-kit.ts"

const place = () => {
  const pki = testPki()
  onTestFinished(() => pki.remove())
  return { pki, identity: { ...ownKey(pki), ca: pki.caPem } }
}

const errorOf = (open: () => TlsStream): Promise<unknown> =>
  new Promise((resolve) => {
    const stream = open().on("error", resolve)
    stream.on("data", () => undefined)
    stream.on("close", () => resolve("closed without an error"))
  })

const answering = (body: string) => (socket: TLSSocket) => {
  socket.on("data", () => {
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
  })
}

describe("a connection", () => {
  it.each(["TLSv1.2", "TLSv1.3"] as const)("looks like Node's TLSSocket with %s", async (version) => {
    const { pki, identity } = place()
    const server = await startServer(pki, { maxVersion: version, minVersion: version, ALPNProtocols: ["b", "a"] })
    const events: Array<string> = []
    const stream = connect({ ...identity, host: "localhost", port: server.port, ALPNProtocols: ["a", "b"] }, () =>
      events.push("callback")
    )
    for (const name of ["connect", "ready", "secureConnect"]) stream.on(name, () => events.push(name))
    expect([stream.encrypted, stream.authorized, stream.alpnProtocol, stream.getProtocol(), stream.connecting]).toEqual(
      [true, false, null, null, true]
    )
    expect(stream.getPeerCertificate()).toEqual({})
    await once(stream, "secureConnect")
    expect(events).toEqual(["connect", "ready", "callback", "secureConnect"])
    const node = new TLSSocket(dial(server.port, "127.0.0.1"))
    onTestFinished(() => void node.destroy())
    expect([stream.authorized, stream.authorizationError, stream.alpnProtocol, stream.connecting]).toEqual([
      true,
      null,
      "b",
      false
    ])
    expect(stream.getProtocol()).toBe(version)
    expect(stream.getCipher()).toEqual(
      version === "TLSv1.3"
        ? { name: "TLS_AES_256_GCM_SHA384", standardName: "TLS_AES_256_GCM_SHA384", version }
        : {
            name: "ECDHE-ECDSA-AES128-GCM-SHA256",
            standardName: "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
            version
          }
    )
    expect(stream.getPeerCertificate().subject).toMatchObject({ CN: "localhost" })
    expect(stream.getPeerX509Certificate()?.raw).toEqual(new X509Certificate(pki.serverCertPem).raw)
    expect([stream.remotePort, stream.remoteFamily, stream.localPort !== undefined]).toEqual([
      server.port,
      "IPv4",
      true
    ])
    stream.setKeepAlive(true, 1000).setNoDelay().ref().unref().ref()
    stream.write("hello")
    expect(String(...(await once(stream, "data")))).toBe("hello")
    expect([stream.bytesRead, stream.bytesWritten, stream.readyState]).toEqual([5, 5, "open"])
    stream.destroySoon()
    await once(stream, "close")
    expect(server.accepted).toEqual(["own-key"])
    expect(stream.getPeerCertificate().subject).toMatchObject({ CN: "localhost" })
  })

  it("emits timeout without data, and lives on", async () => {
    const { pki, identity } = place()
    const server = await startServer(pki)
    const stream = connect({ ...identity, host: "localhost", port: server.port })
    await once(stream, "secureConnect")
    await new Promise<void>((resolve) => stream.setTimeout(20, resolve))
    expect(stream.destroyed).toBe(false)
    stream.setTimeout(0).destroy()
  })

  it("takes over a socket, connecting or connected", async () => {
    const { pki, identity } = place()
    const server = await startServer(pki)
    const connected = dial(server.port, "127.0.0.1")
    await once(connected, "connect")
    for (const socket of [connected, dial(server.port, "127.0.0.1")]) {
      const stream = connect({ ...identity, socket, servername: "localhost" })
      await once(stream, "secureConnect")
      stream.destroy()
    }
  })

  it("ends with codes that programs know", async () => {
    const { pki, identity } = place()
    const server = await startServer(pki)
    const other = testPki()
    onTestFinished(() => other.remove())
    const stranger = await startServer(pki, { ...pairOf(other) })
    const expired = await startServer(pki, { ...expiredOf(pki) })
    const to = (changes: Partial<ConnectOptions>) =>
      errorOf(() => connect({ ...identity, host: "localhost", port: server.port, ...changes }))
    const foreign = ownKey(other)
    const errors = [
      await to({ port: 1 }),
      await to({ servername: "example.org" }),
      await to({ port: stranger.port }),
      await to({ port: expired.port }),
      await to({ cert: foreign.cert }),
      await to({ key: { ...identity.key, sign: () => Promise.reject(new Error("broken pipe")) } }),
      await to({ key: { ...identity.key, sign: foreign.key.sign } }),
      await to({ timeout: 2_000, key: { ...identity.key, sign: () => new Promise(() => undefined) } }),
      await to({ signal: AbortSignal.abort() })
    ]
    expect(errors.map((error) => error instanceof TokenError && error.code)).toEqual([
      "ECONNREFUSED",
      "ERR_TLS_CERT_ALTNAME_INVALID",
      expect.stringMatching(/UNABLE_TO|SELF_SIGNED/),
      "CERT_HAS_EXPIRED",
      "ERR_CERTIFICATE_INVALID",
      "ERR_SIGNER_FAILED",
      "ERR_SIGNATURE_INVALID",
      "ERR_TOKEN_TIMEOUT",
      "ABORT_ERR"
    ])
    expect(errors[0]).toMatchObject({ syscall: "connect", port: 1 })
  })

  it("names a server's refusal of the certificate as Node does", () => {
    const told = connectionError(new TlsError("ERR_TLS_HANDSHAKE", "tlsv1 alert unknown ca", { alert: 48 }))
    expect(told).toMatchObject({
      code: "ERR_SSL_TLSV1_ALERT_UNKNOWN_CA",
      alert: 48,
      hint: expect.stringContaining("CA")
    })
  })

  it("refuses options that would make it weaker than asked for", () => {
    const { identity } = place()
    const given = { ...identity, host: "localhost", port: 1 }
    const weaker = [
      { rejectUnauthorized: false },
      { checkServerIdentity: () => undefined },
      { ciphers: "ALL" },
      { minVersion: "TLSv1" },
      { port: "x" },
      { cert: "/etc/cert.pem" },
      { key: "-----BEGIN PRIVATE KEY-----" },
      { ALPNProtocols: [""] }
    ]
    for (const change of weaker)
      expect(() => connect({ ...given, ...(change as object) })).toThrow(
        expect.objectContaining({ code: "ERR_INVALID_OPTION" })
      )
  })
})

describe("an agent for node:https", () => {
  it("serves requests, and keeps connections for later ones", async () => {
    const { pki, identity } = place()
    const server = await startServer(pki, {}, answering("hello"))
    const agent = createAgent(identity)
    onTestFinished(() => agent.destroy())
    const ask = () =>
      new Promise<[string, boolean]>((resolve, reject) => {
        const request = get({ host: "localhost", port: server.port, agent }, async (response) =>
          resolve([await text(response), request.reusedSocket])
        ).on("error", reject)
      })
    expect([await ask(), await ask()]).toEqual([
      ["hello", false],
      ["hello", true]
    ])
  })

  it("hands on errors to the request", async () => {
    const { pki, identity } = place()
    const server = await startServer(pki)
    const agent = createAgent({ ...identity, servername: "example.org" })
    const [error] = await once(get({ host: "localhost", port: server.port, agent }), "error")
    expect(error).toMatchObject({ code: "ERR_TLS_CERT_ALTNAME_INVALID" })
  })

  it("refuses a request that wants no verification", async () => {
    const { identity } = place()
    const agent = createAgent(identity)
    expect(() => get({ host: "localhost", port: 1, agent, rejectUnauthorized: false })).toThrow("rejectUnauthorized")
  })
})

describe("a connector for undici", () => {
  it("answers a secured stream, or the error", async () => {
    const { pki, identity } = place()
    const server = await startServer(pki)
    const connector = undiciConnector(identity)
    const ask = (port: number) =>
      new Promise<[unknown, TlsStream | null]>((resolve) => {
        const target = { hostname: "localhost", protocol: "https:", port: String(port) }
        connector(target, (error, stream) => resolve([error, stream]))
      })
    const [, stream] = await ask(server.port)
    expect(stream?.authorized).toBe(true)
    stream?.destroy()
    expect(await ask(1)).toEqual([expect.objectContaining({ code: "ECONNREFUSED" }), null])
  })
})

const pairOf = (pki: TestPki) => ({ cert: pki.serverCertPem, key: pki.serverKeyPem })
const expiredOf = (pki: TestPki) => {
  const { certPem, keyPem } = makeServerCertificate(pki.ca, { validity: "expired" })
  return { cert: certPem, key: keyPem }
}
