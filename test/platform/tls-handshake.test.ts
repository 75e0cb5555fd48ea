/** Handshakes that succeed: versions, keys, names, and what they agree on. */
import { afterAll, describe, expect, it } from "vitest"
import { connectTls } from "../../src/platform/tls-signer-stream.ts"
import { testPki } from "../support/pki.ts"
import { pemSigner, startTlsServer } from "../support/tls-server.ts"

const pki = testPki()
afterAll(pki.remove)
describe("x", () => {
  it("echoes", async () => {
    const server = await startTlsServer(pki)
    const s = connectTls(
      {
        host: "127.0.0.1",
        port: server.port,
        serverName: "localhost",
        ca: pki.caPem,
        certificateChain: pki.deviceCertPem,
        timeoutMs: 5000
      },
      pemSigner(pki.deviceKeyPem)
    )
    s.write("hello")
    const r = await new Promise((res) => {
      s.on("data", (d) => res(String(d)))
      s.on("error", res)
    })
    expect(r).toBe("hello")
    console.log(s.negotiated, server.accepted)
    s.destroy()
    await server.close()
  })
})
