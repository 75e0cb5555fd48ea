/**
 * The class behind `connect`: the stream of src/platform with the members of Node's TLSSocket.
 */
import { X509Certificate } from "node:crypto"
import { isIPv6, Socket } from "node:net"
import type { TlsSigner } from "../platform/tls/tls-client-signature.ts"
import { TlsSignerStream } from "../platform/tls/tls-signer-stream.ts"
import type { TlsTarget } from "../platform/tls/tls-target.ts"
import { connectionError } from "./connection-errors.ts"
import { cipherFacts, legacyCertificate, type TlsCipher, type TlsPeerCertificate } from "./tls-facts.ts"

import type { TlsStream } from "./tls-stream.ts"

export class TokenTlsStream extends TlsSignerStream implements TlsStream {
  readonly encrypted = true
  readonly authorizationError = null
  readonly servername: string
  timeout: number | undefined
  bytesRead = 0
  bytesWritten = 0
  #idle: NodeJS.Timeout | undefined
  #certificates: ReadonlyArray<Buffer> = []

  constructor(target: TlsTarget, sign: TlsSigner) {
    super(target, sign)
    this.servername = target.serverName
    // First of the listeners: the certificates are available only while the connection is open.
    this.prependListener("secureConnect", () => {
      this.#certificates = this.peerCertificates()
    })
    const { transport } = this
    if (transport instanceof Socket && transport.connecting) this.#forward(transport)
    this.once("close", () => clearTimeout(this.#idle))
  }

  #forward(socket: Socket): void {
    socket.on("lookup", (...facts) => this.emit("lookup", ...facts))
    socket.once("connect", () => this.emit("connect"))
    socket.once("ready", () => this.emit("ready"))
  }

  // ---- states ----

  get #socket(): Socket | undefined {
    return this.transport instanceof Socket ? this.transport : undefined
  }

  get authorized(): boolean {
    return this.negotiated !== undefined
  }

  get alpnProtocol(): string | false | null {
    return this.negotiated === undefined ? null : (this.negotiated.alpn ?? false)
  }

  get connecting(): boolean {
    return !this.destroyed && (this.#socket?.connecting ?? false)
  }

  get pending(): boolean {
    return this.connecting
  }

  get secureConnecting(): boolean {
    return this.negotiated === undefined && !this.destroyed
  }

  get readyState(): TlsStream["readyState"] {
    if (this.connecting) return "opening"
    if (this.readable) return this.writable ? "open" : "readOnly"
    return this.writable ? "writeOnly" : "closed"
  }

  get localAddress() {
    return this.#socket?.localAddress
  }

  get localPort() {
    return this.#socket?.localPort
  }

  get localFamily() {
    return this.localAddress === undefined ? undefined : isIPv6(this.localAddress) ? "IPv6" : "IPv4"
  }

  get remoteAddress() {
    return this.#socket?.remoteAddress
  }

  get remotePort() {
    return this.#socket?.remotePort
  }

  get remoteFamily() {
    return this.#socket?.remoteFamily
  }

  address() {
    return this.#socket?.address() ?? {}
  }

  // ---- what TLS came to ----

  getProtocol(): string | null {
    return this.negotiated?.protocol ?? null
  }

  getCipher(): TlsCipher {
    return cipherFacts(this.negotiated?.cipher)
  }

  getPeerCertificate(detailed = false): TlsPeerCertificate {
    return legacyCertificate(this.#certificates, detailed)
  }

  getPeerX509Certificate(): X509Certificate | undefined {
    const [own] = this.#certificates
    return own && new X509Certificate(own)
  }

  isSessionReused(): boolean {
    return this.negotiated?.resumed ?? false
  }

  // ---- what is set ----

  setTimeout(ms: number, listener?: () => void): this {
    this.timeout = ms
    this.#restartIdle()
    if (listener) {
      if (ms > 0) this.once("timeout", listener)
      else this.off("timeout", listener)
    }
    return this
  }

  #restartIdle(): void {
    clearTimeout(this.#idle)
    this.#idle = undefined
    if (this.timeout && this.timeout > 0 && !this.destroyed)
      this.#idle = setTimeout(() => this.emit("timeout"), this.timeout).unref()
  }

  #seen(): void {
    this.#idle?.refresh()
  }

  setKeepAlive(enable = false, initialDelayMs = 0): this {
    this.#socket?.setKeepAlive(enable, initialDelayMs)
    return this
  }

  setNoDelay(noDelay = true): this {
    this.#socket?.setNoDelay(noDelay)
    return this
  }

  destroySoon(): void {
    if (this.writable) this.end()
    if (this.writableFinished) this.destroy()
    else this.once("finish", () => this.destroy())
  }

  // ---- bytes ----

  override push(chunk: Buffer | null): boolean {
    if (chunk !== null) {
      this.bytesRead += chunk.length
      this.#seen()
    }
    return super.push(chunk)
  }

  override _write(chunk: Buffer, encoding: string, done: (error?: Error | null) => void): void {
    this.bytesWritten += chunk.length
    this.#seen()
    super._write(chunk, encoding, (error) => {
      this.#seen()
      done(error)
    })
  }

  /** May be called before the fields of this class are initialised. */
  override destroy(error?: Error | null): this {
    return super.destroy(error ? connectionError(error) : undefined)
  }
}
