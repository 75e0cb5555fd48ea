/**
 * The other side of TLS tests: Node's own TLS server, which wants a client certificate and echoes.
 */
import { constants, createPrivateKey, sign as nodeSign } from "node:crypto"
import type { AddressInfo } from "node:net"
import { createServer, type TLSSocket, type TlsOptions } from "node:tls"
import type { TlsSigner } from "../../../src/platform/tls/tls-client-signature.ts"
import type { TlsSignerStream } from "../../../src/platform/tls/tls-signer-stream.ts"
import type { TlsTarget } from "../../../src/platform/tls/tls-target.ts"
import { trustStore } from "../../../src/platform/tls/trust-store.ts"
import type { TestPki } from "./pki.ts"

export interface TestTlsServer {
  readonly port: number
  /** Client certificates (CN) of the connections that were accepted, in order. */
  readonly accepted: ReadonlyArray<string>
  readonly close: () => Promise<void>
}

/** Listens on 127.0.0.1 or another address, any port. `serve` replaces the echo. */
export const startTlsServer = async (
  pki: TestPki,
  options: TlsOptions = {},
  serve: (socket: TLSSocket) => void = (socket) => socket.pipe(socket),
  address = "127.0.0.1"
): Promise<TestTlsServer> => {
  const accepted: Array<string> = []
  const open = new Set<TLSSocket>()
  const server = createServer(
    {
      cert: pki.serverCertPem,
      key: pki.serverKeyPem,
      ca: pki.caPem,
      requestCert: true,
      rejectUnauthorized: true,
      ...options
    },
    (socket) => {
      open.add(socket)
      socket.on("close", () => open.delete(socket)).on("error", () => undefined)
      accepted.push(String(socket.getPeerCertificate().subject?.CN ?? ""))
      serve(socket)
    }
  )
  // The client's side is what the tests look at. Node leaves a connection that is too slow to us.
  server.on("tlsClientError", ({ code }: NodeJS.ErrnoException, socket) => {
    if (code === "ERR_TLS_HANDSHAKE_TIMEOUT") socket.destroy()
  })
  await new Promise<void>((resolve) => server.listen(0, address, resolve))
  return {
    port: (server.address() as AddressInfo).port,
    accepted,
    close: () =>
      new Promise((resolve) => {
        for (const socket of open) socket.destroy()
        server.close(() => resolve())
      })
  }
}

/** Signs as a token would, with a key in memory. */
export const pemSigner =
  (keyPem: string): TlsSigner =>
  async (scheme, message) => {
    const key = createPrivateKey(keyPem)
    if (scheme === 0x0807) return nodeSign(null, message, key)
    const digest = `sha${{ 4: 256, 5: 384, 6: 512 }[scheme >> 8 === 8 ? scheme & 0xff : scheme >> 8]}`
    if (scheme >> 8 !== 8) return nodeSign(digest, message, key)
    const padding = constants.RSA_PKCS1_PSS_PADDING
    return nodeSign(digest, message, { key, padding, saltLength: constants.RSA_PSS_SALTLEN_DIGEST })
  }

/** `ca`: PEM. */
export type TargetChanges = Partial<TlsTarget> & { readonly ca?: string | ReadonlyArray<string> }

/** A target that would succeed with `startTlsServer(pki)`. */
export const targetOf = (pki: TestPki, port: number, { ca, ...changes }: TargetChanges = {}): TlsTarget => ({
  host: "127.0.0.1",
  port,
  serverName: "localhost",
  trusted: trustStore([ca ?? pki.caPem].flat()),
  certificateChain: pki.deviceCertPem,
  timeoutMs: 60_000,
  ...changes
})

/** Sends the text and answers as many bytes as come back; rejects with the stream's error. Then destroys the stream. */
export const exchange = (stream: TlsSignerStream, text = "hello"): Promise<string> =>
  new Promise<string>((resolve, reject) => {
    let heard = ""
    stream.on("data", (data: Buffer) => {
      heard += data.toString()
      if (heard.length >= text.length) resolve(heard)
    })
    stream.on("error", reject)
    stream.on("close", () => reject(new Error("closed without an error")))
    stream.write(text)
  }).finally(() => stream.destroy())

/** What the stream dies of, after the handshake or before. */
export const failureOf = (stream: TlsSignerStream): Promise<unknown> =>
  exchange(stream).then(
    (heard) => `no failure, but: ${heard}`,
    (error: unknown) => error
  )
