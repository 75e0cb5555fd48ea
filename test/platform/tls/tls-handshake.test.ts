/** Handshakes that succeed: keys, versions, names, and what they agree on. */
import { once } from "node:events"
import { connect as dial } from "node:net"
import { networkInterfaces } from "node:os"
import { rootCertificates } from "node:tls"
import { afterAll, describe, expect, it } from "vitest"
import { connectTls } from "../../../src/platform/tls/tls-signer-stream.ts"
import type { TlsSession, TlsTarget } from "../../../src/platform/tls/tls-target.ts"
import { listenTo, startOpensslServer } from "../../support/tls/openssl-server.ts"
import {
  issueFor,
  type KeyKind,
  makeCa,
  makeDeviceCertificate,
  makeIntermediateCa,
  publicKeyPem,
  testPki
} from "../../support/tls/pki.ts"
import { exchange, pemSigner, startTlsServer, type TargetChanges, targetOf } from "../../support/tls/tls-server.ts"

const pki = testPki()
afterAll(pki.remove)
const sign = pemSigner(pki.deviceKeyPem)

const versions = ["TLSv1.3", "TLSv1.2"] as const

const hasIpv6 = Object.values(networkInterfaces()).some((addresses) =>
  addresses?.some(({ address }) => address === "::1")
)
if (!hasIpv6) console.warn("skipped: a server dialled by its IPv6 address, because this machine has no ::1")

/** Signs and writes down with which scheme. */
const recording = (keyPem: string, schemes: Array<number>): ReturnType<typeof pemSigner> => {
  const signer = pemSigner(keyPem)
  return (scheme, message, abort) => {
    schemes.push(scheme)
    return signer(scheme, message, abort)
  }
}

const spki = (pem: string) => Buffer.from(publicKeyPem(pem).replace(/-----[^-]+-----|\s/g, ""), "base64")

describe("a client certificate with an external key", () => {
  const rows: ReadonlyArray<[kind: KeyKind, version: "TLSv1.2" | "TLSv1.3", scheme: number, sigalgs?: string]> = [
    ["p256", "TLSv1.3", 0x0403],
    ["p256", "TLSv1.2", 0x0403],
    ["p384", "TLSv1.3", 0x0503],
    ["p384", "TLSv1.2", 0x0503],
    ["p521", "TLSv1.3", 0x0603],
    ["p521", "TLSv1.2", 0x0603],
    ["ed25519", "TLSv1.3", 0x0807],
    ["ed25519", "TLSv1.2", 0x0807],
    ["rsa", "TLSv1.3", 0x0804],
    ["rsa", "TLSv1.3", 0x0806, "rsa_pss_rsae_sha512:ECDSA+SHA256"],
    ["rsa", "TLSv1.2", 0x0804],
    ["rsa", "TLSv1.2", 0x0401, "RSA+SHA256:ECDSA+SHA256"],
    ["rsa", "TLSv1.2", 0x0501, "RSA+SHA384:ECDSA+SHA256"]
  ]
  const identities = new Map(rows.map(([key]) => [key, makeDeviceCertificate(pki.ca, { key, cn: `device-${key}` })]))

  it.each(rows)("%s over %s signs once, with scheme %i", async (kind, version, scheme, sigalgs) => {
    const { certPem = "", keyPem = "" } = identities.get(kind) ?? {}
    const limits = { minVersion: version, maxVersion: version, ...(sigalgs ? { sigalgs } : {}) }
    const server = await startTlsServer(pki, limits)
    const schemes: Array<number> = []
    const stream = connectTls(targetOf(pki, server.port, { certificateChain: certPem }), recording(keyPem, schemes))
    expect(await exchange(stream)).toBe("hello")
    expect(stream.negotiated?.protocol).toBe(version)
    expect({ schemes, accepted: server.accepted }).toEqual({ schemes: [scheme], accepted: [`device-${kind}`] })
    await server.close()
  })

  // A kernel without IPv6 has no address to dial; `npm test` fails there, since it counts what was skipped.
  it.skipIf(!hasIpv6)("signs for a server dialled by its IPv6 address", async () => {
    const server = await startTlsServer(pki, {}, undefined, "::1")
    const target = targetOf(pki, server.port, { host: "::1", serverName: "::1" })
    expect(await exchange(connectTls(target, sign))).toBe("hello")
    await server.close()
  })

  it("signs once after a HelloRetryRequest", async () => {
    const server = await startTlsServer(pki, { ecdhCurve: "P-384" }) // the client offers a share for X25519 first
    const schemes: Array<number> = []
    expect(await exchange(connectTls(targetOf(pki, server.port), recording(pki.deviceKeyPem, schemes)))).toBe("hello")
    expect(schemes).toEqual([0x0403])
    await server.close()
  })

  it("signs nothing for a server that asks for no certificate", async () => {
    const server = await startTlsServer(pki, { requestCert: false })
    const schemes: Array<number> = []
    expect(await exchange(connectTls(targetOf(pki, server.port), recording(pki.deviceKeyPem, schemes)))).toBe("hello")
    expect(schemes).toEqual([])
    await server.close()
  })
})

describe("the server's certificate", () => {
  it.each(["localhost", "localhost.", "127.0.0.1", "::1"])("is taken for %s", async (serverName) => {
    const server = await startTlsServer(pki)
    expect(await exchange(connectTls(targetOf(pki, server.port, { serverName }), sign))).toBe("hello")
    await server.close()
  })

  it("is taken when only its issuer is trusted, or one of many CAs, or a bundle with a broken part", async () => {
    const server = await startTlsServer(pki)
    const other = makeCa(pki.dir, "Other CA").certPem
    const broken = "-----BEGIN CERTIFICATE-----\nTm8=\n-----END CERTIFICATE-----\n"
    for (const ca of [`${other}${broken}${pki.caPem}`, [other, pki.caPem]])
      expect(await exchange(connectTls(targetOf(pki, server.port, { ca }), sign))).toBe("hello")
    const pinned = connectTls(targetOf(pki, server.port, { ca: pki.serverCertPem }), sign)
    expect(await exchange(pinned)).toBe("hello")
    await server.close()
  })

  it("is taken when its issuer is one among all that Node trusts", async () => {
    const server = await startTlsServer(pki)
    const ca = [...rootCertificates, pki.caPem]
    expect(ca.length).toBeGreaterThan(100)
    expect(await exchange(connectTls(targetOf(pki, server.port, { ca }), sign))).toBe("hello")
    await server.close()
  })

  it("may need a chain of 40 KB", async () => {
    const filler = Array<string>(70).fill(issueFor(pki.ca, publicKeyPem(pki.serverCertPem), "x".repeat(60)))
    const cert = [pki.serverCertPem, ...filler].join("")
    expect(cert.length).toBeGreaterThan(40_000)
    const server = await startTlsServer(pki, { cert })
    const certificateChain = [pki.deviceCertPem, ...filler].join("")
    expect(await exchange(connectTls(targetOf(pki, server.port, { certificateChain }), sign))).toBe("hello")
    await server.close()
  })
})

describe("the request for our certificate", () => {
  it.each(versions)("may name CAs of 40 KB over %s", async (version) => {
    const names = Array<string>(600).fill(issueFor(pki.ca, publicKeyPem(pki.serverCertPem), "x".repeat(60)))
    const server = await startTlsServer(pki, { ca: [...names, pki.caPem], minVersion: version, maxVersion: version })
    const socket = dial(server.port, "127.0.0.1")
    await once(socket, "connect")
    const schemes: Array<number> = []
    const signer = recording(pki.deviceKeyPem, schemes)
    expect(await exchange(connectTls(targetOf(pki, server.port, { socket }), signer))).toBe("hello")
    expect(socket.bytesRead).toBeGreaterThan(40_000)
    expect(schemes).toEqual([0x0403])
    await server.close()
  })
})

describe("the client's chain", () => {
  it("is put in order by the key that signs", async () => {
    const server = await startTlsServer(pki)
    const certificateChain = `${pki.caPem}text between\n${pki.serverCertPem}${pki.deviceCertPem}`
    const target = targetOf(pki, server.port, { certificateChain, publicKey: spki(pki.deviceCertPem) })
    expect(await exchange(connectTls(target, sign))).toBe("hello")
    expect(server.accepted).toEqual(["test-device"])
    await server.close()
  })

  it("sends the issuer to a server that knows the root only", async () => {
    const intermediate = makeIntermediateCa(pki.ca)
    const device = makeDeviceCertificate(intermediate, { cn: "behind-intermediate" })
    const server = await startTlsServer(pki)
    const certificateChain = `${intermediate.certPem}${device.certPem}`
    const target = targetOf(pki, server.port, { certificateChain, publicKey: spki(device.certPem) })
    expect(await exchange(connectTls(target, pemSigner(device.keyPem)))).toBe("hello")
    await server.close()
  })
})

describe("a connection", () => {
  it("agrees on an application protocol", async () => {
    const server = await startTlsServer(pki, { ALPNProtocols: ["mqtt"] })
    const stream = connectTls(targetOf(pki, server.port, { alpn: ["x-amzn-mqtt-ca", "mqtt"] }), sign)
    await exchange(stream)
    expect(stream.negotiated?.alpn).toBe("mqtt")
    await server.close()
  })

  it("goes through a stream that is connected already", async () => {
    const server = await startTlsServer(pki)
    const socket = dial(server.port, "127.0.0.1")
    await once(socket, "connect")
    expect(await exchange(connectTls(targetOf(pki, 1, { host: "nowhere.invalid", socket }), sign))).toBe("hello")
    await server.close()
  })

  /** The sessions a server gives in a connection with a signature. */
  const sessionsOf = async (target: TlsTarget): Promise<ReadonlyArray<TlsSession>> => {
    const sessions: Array<TlsSession> = []
    const stream = connectTls(target, sign).on("session", (session: TlsSession) => void sessions.push(session))
    await exchange(stream)
    return sessions
  }

  /** The first session of a server that does not echo. */
  const sessionsOfSilent = async (target: TlsTarget): Promise<[TlsSession]> => {
    const stream = connectTls(target, sign)
    const session = (await once(stream, "session")) as [TlsSession]
    stream.destroy()
    return session
  }

  /** A connection that offers the session. */
  const resuming = async (target: TlsTarget) => {
    const schemes: Array<number> = []
    const stream = connectTls(target, recording(pki.deviceKeyPem, schemes))
    expect(await exchange(stream)).toBe("hello")
    return { resumed: stream.negotiated?.resumed, signatures: schemes.length }
  }
  const isResumed = { resumed: true, signatures: 0 }
  const isSigned = { resumed: false, signatures: 1 }

  it("ends the socket it was given when the target is invalid, and its error is not uncaught", async () => {
    const server = await startTlsServer(pki)
    for (const port of [server.port, 1]) {
      const socket = dial(port, "127.0.0.1")
      const stream = connectTls(targetOf(pki, port, { certificateChain: "no certificate", socket }), sign)
      await expect(exchange(stream)).rejects.toMatchObject({ code: "ERR_TLS_SETTINGS" })
      expect(socket.destroyed).toBe(true)
    }
    await server.close()
  })

  it("is resumed over TLSv1.3 without a signature, once for each session the server gave", async () => {
    const server = await startTlsServer(pki)
    const sessions = await sessionsOf(targetOf(pki, server.port))
    expect(sessions.length).toBeGreaterThanOrEqual(2)
    for (const session of sessions) {
      expect(session.lifetimeMs).toBeGreaterThan(0)
      expect(await resuming(targetOf(pki, server.port, { session }))).toEqual(isResumed)
    }
    await server.close()
  })

  it("is resumed again and again where each resumption brings a new session", async () => {
    const server = await startOpensslServer(pki, [])
    let [session] = await sessionsOfSilent(targetOf(pki, server.port))
    for (let times = 0; times < 5; times++) {
      if (session === undefined) throw new Error("the server gave no session")
      const target = targetOf(pki, server.port, { session })
      const resumed = connectTls(target, () => Promise.reject(new Error("asked to sign")))
      const [next] = (await once(resumed, "session")) as [TlsSession]
      expect(resumed.negotiated?.resumed).toBe(true)
      session = next
      resumed.destroy()
    }
    await server.close()
  })

  it("gives no session over TLSv1.2", async () => {
    const server = await startTlsServer(pki, { maxVersion: "TLSv1.2" })
    expect(await sessionsOf(targetOf(pki, server.port))).toEqual([])
    await server.close()
  })

  it("signs on the same connection when the server does not know the session any more", async () => {
    const server = await startTlsServer(pki, { ticketKeys: Buffer.alloc(48, 1) })
    const [session] = await sessionsOf(targetOf(pki, server.port))
    const other = await startTlsServer(pki, { ticketKeys: Buffer.alloc(48, 2) })
    const moved = dial(other.port, "127.0.0.1")
    const target = targetOf(pki, server.port, { ...(session && { session }), socket: moved })
    expect(await resuming(target)).toEqual(isSigned)
    expect(other.accepted.length).toBe(1)
    await Promise.all([server.close(), other.close()])
  })

  it("offers no session that was made for another name, trust store, chain, key, port, ALPN or version", async () => {
    const server = await startTlsServer(pki, { ALPNProtocols: ["mqtt", "x-amzn-mqtt-ca"] })
    const [session] = await sessionsOf(targetOf(pki, server.port))
    if (session === undefined) throw new Error("the server gave no session")
    const otherCa = makeCa(pki.dir, "Other CA").certPem
    const others: ReadonlyArray<TargetChanges> = [
      { serverName: "127.0.0.1" },
      { host: "localhost" },
      { ca: [pki.caPem, otherCa] },
      { certificateChain: `${pki.deviceCertPem}${pki.caPem}` },
      { keyName: "pkcs11:object=other" },
      { alpn: ["mqtt"] },
      { minVersion: "TLSv1.3" }
    ]
    for (const other of others)
      expect([other, await resuming(targetOf(pki, server.port, { ...other, session }))]).toEqual([other, isSigned])
    const moved = dial(server.port, "127.0.0.1")
    expect(await resuming(targetOf(pki, 1, { socket: moved, session }))).toEqual(isSigned)
    const unchanged = { ca: [pki.caPem], session }
    expect(await resuming(targetOf(pki, server.port, unchanged))).toEqual(isResumed)
    await server.close()
  })

  it("signs when the session is older than its lifetime, whatever the system's clock says", async () => {
    const server = await startTlsServer(pki)
    const [old, young] = await sessionsOf(targetOf(pki, server.port))
    if (old === undefined || young === undefined) throw new Error("the server gave no sessions")
    const at = (session: TlsSession, sessionAgeMs: number) => targetOf(pki, server.port, { session, sessionAgeMs })
    expect(await resuming(at(old, old.lifetimeMs + 2000))).toEqual(isSigned)
    expect(await resuming(at(young, 1000))).toEqual(isResumed)
    await server.close()
  })

  it("ignores a session it cannot read", async () => {
    const server = await startTlsServer(pki)
    const [session] = await sessionsOf(targetOf(pki, server.port))
    if (session === undefined) throw new Error("the server gave no session")
    const cut = { ...session, der: session.der.subarray(0, session.der.length / 2) }
    for (const broken of [cut, { ...session, der: Buffer.from("no session") }, { ...session, der: Buffer.alloc(0) }])
      expect(await resuming(targetOf(pki, server.port, { session: broken }))).toEqual(isSigned)
    await server.close()
  })

  it("answers the server's KeyUpdate", async () => {
    const server = await startOpensslServer(pki, ["-msg"])
    const stream = connectTls(targetOf(pki, server.port), sign)
    const clientHears = listenTo(stream)
    stream.write("before\n")
    await server.says("before")
    server.type("K") // update, and ask for the client's
    await server.says(">>> TLS 1.3, Handshake [length 0005], KeyUpdate")
    server.type("from the server")
    await clientHears("from the server")
    stream.write("after\n")
    await server.says("<<< TLS 1.3, Handshake [length 0005], KeyUpdate")
    await server.says("after")
    stream.destroy()
    await server.close()
  })
})
