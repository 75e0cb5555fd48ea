/** What is kept of a target between connections: its parsed texts, and nothing once a text is another. */
import { afterAll, describe, expect, it } from "vitest"
import { tlsAddon } from "../../../src/platform/tls/tls-addon.ts"
import { parsedSettings } from "../../../src/platform/tls/tls-settings.ts"
import { connectTls } from "../../../src/platform/tls/tls-signer-stream.ts"
import { trustStore } from "../../../src/platform/tls/trust-store.ts"
import { makeCa, makeDeviceCertificate, testPki } from "../../support/tls/pki.ts"
import { exchange, failureOf, pemSigner, startTlsServer, targetOf } from "../../support/tls/tls-server.ts"

const pki = testPki()
afterAll(pki.remove)
const other = makeDeviceCertificate(pki.ca, { cn: "renewed" })
const otherCa = makeCa(pki.dir, "Other CA").certPem

const texts = { trusted: trustStore([pki.caPem]), certificateChain: pki.deviceCertPem }
const parsed = (changes: Partial<Parameters<typeof parsedSettings>[1]> = {}) =>
  parsedSettings(tlsAddon(), { ...texts, ...changes })

describe("settings", () => {
  it("are parsed once for the same texts", () => {
    const first = parsed()
    expect(parsed({ trusted: trustStore([`${pki.caPem} `.slice(0, -1)]) })).toBe(first)
  })

  const publicKey = parsed().publicKey.export({ format: "der", type: "spki" })

  it.each([
    ["another trusted certificate", { trusted: trustStore([otherCa]) }],
    ["one more trusted certificate", { trusted: trustStore([pki.caPem, otherCa]) }],
    ["another certificate of the device", { certificateChain: other.certPem }],
    ["a longer chain", { certificateChain: `${pki.deviceCertPem}${pki.caPem}` }],
    ["another least version", { minVersion: "TLSv1.3" as const }],
    ["a key to choose by", { publicKey }]
  ])("are parsed anew for %s", (_what, changes) => {
    const first = parsed()
    expect(parsed(changes)).not.toBe(first)
    expect(parsed()).toBe(first)
  })

  it("are distinguished by the key, also if its bytes are overwritten", () => {
    const chain = { certificateChain: `${pki.deviceCertPem}${other.certPem}` }
    const key = Buffer.from(publicKey)
    const first = parsed({ ...chain, publicKey: key })
    parsed({ certificateChain: other.certPem }).publicKey.export({ format: "der", type: "spki" }).copy(key)
    const second = parsed({ ...chain, publicKey: key })
    expect(second.publicKey.equals(first.publicKey)).toBe(false)
  })

  it("that could not be used are not kept", () => {
    for (let n = 0; n < 2; n++) expect(() => parsed({ trusted: trustStore(["nothing"]) })).toThrow("ERR_TLS_SETTINGS")
  })

  it("are kept for four targets and no more", () => {
    const first = parsed()
    for (let n = 0; n < 3; n++) parsed({ trusted: trustStore([pki.caPem, "x".repeat(n)]) })
    expect(parsed()).toBe(first)
    for (let n = 3; n < 7; n++) parsed({ trusted: trustStore([pki.caPem, "x".repeat(n)]) })
    expect(parsed()).not.toBe(first)
  })
})

describe("a connection after another one", () => {
  it("shows the new certificate when it was renewed", async () => {
    const server = await startTlsServer(pki)
    expect(await exchange(connectTls(targetOf(pki, server.port), pemSigner(pki.deviceKeyPem)))).toBe("hello")
    const renewed = targetOf(pki, server.port, { certificateChain: other.certPem })
    expect(await exchange(connectTls(renewed, pemSigner(other.keyPem)))).toBe("hello")
    expect(server.accepted).toEqual(["test-device", "renewed"])
    await server.close()
  })

  it("checks its signature against the new certificate", async () => {
    const server = await startTlsServer(pki)
    expect(await exchange(connectTls(targetOf(pki, server.port), pemSigner(pki.deviceKeyPem)))).toBe("hello")
    const renewed = targetOf(pki, server.port, { certificateChain: other.certPem })
    const failure = await failureOf(connectTls(renewed, pemSigner(pki.deviceKeyPem)))
    expect(failure).toMatchObject({ code: "ERR_TLS_SIGN", reason: "signatureMismatch" })
    await server.close()
  })

  it("trusts no server that is trusted no more", async () => {
    const server = await startTlsServer(pki)
    expect(await exchange(connectTls(targetOf(pki, server.port), pemSigner(pki.deviceKeyPem)))).toBe("hello")
    const failure = await failureOf(
      connectTls(targetOf(pki, server.port, { ca: otherCa }), pemSigner(pki.deviceKeyPem))
    )
    expect(failure).toMatchObject({ code: "ERR_TLS_HANDSHAKE", verifyCode: 19 })
    await server.close()
  })

  it("expects its own server name and offers its own protocol", async () => {
    const server = await startTlsServer(pki, { ALPNProtocols: ["mqtt"] })
    const sign = pemSigner(pki.deviceKeyPem)
    const withProtocol = connectTls(targetOf(pki, server.port, { alpn: ["mqtt"] }), sign)
    expect(await exchange(withProtocol)).toBe("hello")
    const without = connectTls(targetOf(pki, server.port), sign)
    expect(await exchange(without)).toBe("hello")
    expect([withProtocol, without].map((stream) => stream.negotiated?.alpn)).toEqual(["mqtt", undefined])
    const failure = await failureOf(connectTls(targetOf(pki, server.port, { serverName: "other.example" }), sign))
    expect(failure).toMatchObject({ verifyCode: 62 })
    await server.close()
  })
})
