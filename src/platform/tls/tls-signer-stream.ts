/**
 * A TLS client connection with an external private key: a Duplex like Node's TLSSocket, plus a signing function.
 *
 * "secureConnect": the server is verified. With TLS 1.3 it does not imply that the server accepted our certificate: a
 * rejection comes later, as an error of the stream (RFC 8446, 4.4.4 and appendix D.5).
 * "session" (TlsSession): data to resume a TLS 1.3 connection to the same target without another signature. It is
 * secret.
 */
import { connect as dial, Socket } from "node:net"
import { Duplex } from "node:stream"
import { tlsAddon } from "./tls-addon.ts"
import type { TlsSigner } from "./tls-client-signature.ts"
import { failedTls, TlsError } from "./tls-error.ts"
import { type OpenTls, TlsHandshake } from "./tls-handshake.ts"
import { sessionBinding } from "./tls-session.ts"
import { parsedSettings } from "./tls-settings.ts"
import type { TlsSession } from "./tls-target.ts"
import { openConnection, type TlsTarget } from "./tls-target.ts"

interface TlsNegotiated {
  readonly protocol: string
  readonly cipher: string
  readonly alpn: string | undefined
  readonly resumed: boolean
}

/** Never throws: an invalid target or a missing add-on is an error of the stream. */
export const connectTls = (target: TlsTarget, sign: TlsSigner): TlsSignerStream => new TlsSignerStream(target, sign)

export class TlsSignerStream extends Duplex {
  /** Undefined before "secureConnect". */
  negotiated: TlsNegotiated | undefined
  #phase: "dialling" | "handshake" | "secure" | "closed" = "dialling"
  /** Undefined if the target was invalid; the stream is then destroyed. */
  #open: OpenTls | undefined
  #handshake: TlsHandshake | undefined
  #timer: NodeJS.Timeout | undefined
  #socketEnded = false
  #dataSeen = false
  /** The one write or end that waits for the handshake or for the socket. */
  #waiting: (() => void) | undefined

  constructor(target: TlsTarget, sign: TlsSigner) {
    super({ allowHalfOpen: false, readableHighWaterMark: bufferBytes, writableHighWaterMark: bufferBytes })
    try {
      const addon = tlsAddon()
      const settings = parsedSettings(addon, target)
      const binding = sessionBinding(addon, target)
      const connection = openConnection(addon, settings, binding, target)
      const socket = target.socket ?? dialled(target, () => addon.close(connection))
      this.#open = { addon, connection, settings, socket, binding }
      this.#listen(socket)
    } catch (error) {
      target.socket?.on("error", () => undefined).destroy()
      this.destroy(error instanceof Error ? error : new Error(String(error)))
      return
    }
    this.#timer = setTimeout(() => this.destroy(new TlsError("ERR_TLS_TIMEOUT", this.#where())), target.timeoutMs)
    if (target.socket?.destroyed) this.destroy(new TlsError("ECONNRESET", "dialling"))
    else this.#startHandshake(this.#open, sign, target.socket !== undefined && !isConnecting(target.socket))
  }

  /** The connection below. Undefined if the target was invalid. */
  get transport(): Duplex | undefined {
    return this.#open?.socket
  }

  /** Sent by the server, DER, its own first. Empty before "secureConnect" and after the end. */
  peerCertificates(): ReadonlyArray<Buffer> {
    const open = this.#open
    return open && this.#phase === "secure" ? open.addon.peerCertificates(open.connection) : []
  }

  /** As of a socket: whether it keeps the process running. */
  ref(): this {
    this.#timer?.ref()
    if (this.transport instanceof Socket) this.transport.ref()
    return this
  }

  unref(): this {
    this.#timer?.unref()
    if (this.transport instanceof Socket) this.transport.unref()
    return this
  }

  #listen(socket: Duplex): void {
    socket.on("connect", () => this.#connected())
    socket.on("data", (ciphertext: Buffer) => this.#receive(ciphertext))
    socket.on("drain", () => this.#release())
    socket.on("error", (error) => this.#lost(error))
    socket.on("end", () => this.#socketOver())
    socket.on("close", () => this.#socketOver())
  }

  // ---- handshake ----

  /** The ClientHello is created while TCP connects; the socket buffers it until then. */
  #startHandshake(open: OpenTls, sign: TlsSigner, isConnected: boolean): void {
    if (isConnected) this.#connected()
    this.#handshake = new TlsHandshake(open, sign, {
      flush: () => void this.#flush(),
      secure: () => this.#secure(open),
      failed: (error) => void this.destroy(error)
    })
    this.#handshake.advance()
  }

  #connected(): void {
    if (this.#phase === "dialling") this.#phase = "handshake"
  }

  #where(): string {
    return this.#handshake?.isSigning ? "signing" : this.#phase
  }

  /** Finished and the first data are sent together: separately, Nagle and delayed acknowledgement cost 40 ms. */
  #secure(open: OpenTls): void {
    const { socket } = open
    clearTimeout(this.#timer)
    this.#phase = "secure"
    socket.cork()
    process.nextTick(() => socket.uncork())
    this.#flush()
    this.negotiated = whatWasNegotiated(open)
    this.emit("secureConnect")
    this.#release()
    this.#pump()
  }

  // ---- from the server ----

  #receive(ciphertext: Buffer): void {
    const open = this.#open
    if (!open || this.#phase === "closed") return
    if (this.#phase !== "secure") {
      this.#handshake?.receive(ciphertext)
      return
    }
    open.addon.feed(open.connection, ciphertext)
    this.#pump()
  }

  /** Passes on readable data while the reader accepts it. */
  #pump(): void {
    const open = this.#open
    while (open && this.#phase === "secure") {
      const plaintext = open.addon.read(open.connection)
      if (plaintext === "wait") {
        this.#flush() // answers to KeyUpdate
        this.#offerSession()
        if (this.#socketEnded) this.push(null)
        else open.socket.resume()
        return
      }
      if (plaintext === "closed") {
        this.push(null)
        return
      }
      if (plaintext === "failed") {
        this.#flush() // the alert for the server
        const code = this.#dataSeen ? "ERR_TLS_RECORD" : "ERR_TLS_HANDSHAKE"
        this.destroy(failedTls(code, open.addon.failure(open.connection)))
        return
      }
      this.#dataSeen = true
      if (!this.push(plaintext)) {
        open.socket.pause()
        return
      }
    }
  }

  #offerSession(): void {
    const open = this.#open
    // Without a listener the newest are kept.
    if (!open || this.listenerCount("session") === 0) return
    for (let next = open.addon.takeSession(open.connection); next; next = open.addon.takeSession(open.connection)) {
      const session: TlsSession = { der: next.der, binding: open.binding, lifetimeMs: next.lifetime * 1000 }
      this.emit("session", session)
      if (this.#phase !== "secure") return
    }
  }

  #socketOver(): void {
    if (this.#socketEnded || this.#phase === "closed") return
    this.#socketEnded = true
    if (this.#phase === "secure") this.#pump()
    else this.#lost(new TlsError("ECONNRESET", this.#where()))
  }

  #lost(reason: Error): void {
    if (this.#phase === "handshake" && this.#handshake) this.#handshake.lost(reason)
    else this.destroy(reason)
  }

  override _read(): void {
    this.#pump()
  }

  // ---- to the server ----

  /** Sends OpenSSL's output. False: the socket is full, `#waiting` is called when it is not. */
  #flush(): boolean {
    const open = this.#open
    const ciphertext = open?.addon.take(open.connection)
    if (!open || !ciphertext || !open.socket.writable) return true
    return open.socket.write(ciphertext)
  }

  #release(): void {
    const waiting = this.#waiting
    if (this.#phase !== "secure" || !waiting) return
    this.#waiting = undefined
    waiting()
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    if (this.#phase === "secure") this.#writeFrom(chunk, 0, done)
    else this.#waiting = () => this.#writeFrom(chunk, 0, done)
  }

  /** Many small chunks, as of MQTT packets, become few records. */
  override _writev(chunks: Array<{ chunk: Buffer }>, done: (error?: Error | null) => void): void {
    this._write(Buffer.concat(chunks.map(({ chunk }) => chunk)), "buffer", done)
  }

  #writeFrom(plaintext: Buffer, start: number, done: (error?: Error | null) => void): void {
    const open = this.#open
    for (let at = start; open && at < plaintext.length; at += writeBytes) {
      const next = at + writeBytes
      if (!open.addon.write(open.connection, plaintext.subarray(at, next))) {
        done(failedTls("ERR_TLS_RECORD", open.addon.failure(open.connection)))
        return
      }
      if (!this.#flush()) {
        this.#waiting = () => this.#writeFrom(plaintext, next, done)
        return
      }
    }
    done()
  }

  override _final(done: (error?: Error | null) => void): void {
    const finish = () => {
      const open = this.#open
      open?.addon.closeNotify(open.connection)
      this.#flush()
      open?.socket.end()
      done()
    }
    if (this.#phase === "secure") finish()
    else this.#waiting = finish
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    clearTimeout(this.#timer)
    const reachable = this.#phase !== "dialling"
    this.#phase = "closed"
    this.#waiting = undefined
    this.#handshake?.stop()
    const open = this.#open
    if (open) {
      open.addon.close(open.connection)
      // An alert that was just written still goes out, unless the server does not read.
      if (error && reachable && !open.socket.writableNeedDrain) open.socket.end(() => open.socket.destroy())
      else open.socket.destroy()
    }
    done(error)
  }
}

const isConnecting = (socket: Duplex): boolean => socket instanceof Socket && socket.connecting

/** Throws for an invalid port. */
const dialled = ({ host, port }: TlsTarget, atThrow: () => void): Duplex => {
  try {
    return dial({ host, port, noDelay: true })
  } catch (error) {
    atThrow()
    throw error
  }
}

const whatWasNegotiated = ({ addon, connection }: OpenTls): TlsNegotiated => {
  const { alpn, ...facts } = addon.negotiated(connection)
  return { ...facts, alpn: alpn.length > 0 ? alpn.toString("latin1") : undefined }
}

/** Limit of buffered bytes per direction, plus one chunk. */
const bufferBytes = 64 * 1024

/** Bytes of one large write that are encrypted per turn of the event loop, before the socket is asked again. */
const writeBytes = 256 * 1024
