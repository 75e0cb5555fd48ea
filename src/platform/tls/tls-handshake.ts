/**
 * The handshake of a connection with an external key: step by step; the step that signs is suspended until then.
 *
 * While suspended, nothing is fed to the connection; received bytes are queued. If the server closes the connection, it may
 * have sent an alert that only OpenSSL can read: the step is then completed with an invalid signature, of which nothing is
 * sent, and the record is read.
 */
import type { Duplex } from "node:stream"
import type { HandshakeStep, TlsAddon, TlsConnection } from "./tls-addon.ts"
import { clientSignature, type TlsSigner } from "./tls-client-signature.ts"
import { failedTls, type TlsError } from "./tls-error.ts"
import type { ParsedSettings } from "./tls-settings.ts"

export interface OpenTls {
  readonly addon: TlsAddon
  readonly connection: TlsConnection
  readonly settings: ParsedSettings
  readonly socket: Duplex
  /** Binding of its sessions. */
  readonly binding: Buffer
}

interface HandshakeListener {
  /** OpenSSL has output to send. */
  readonly flush: () => void
  readonly secure: () => void
  readonly failed: (error: Error) => void
}

export class TlsHandshake {
  readonly #open: OpenTls
  readonly #sign: TlsSigner
  readonly #listener: HandshakeListener
  #state: "stepping" | "signing" | "over" = "stepping"
  /** Ciphertext that arrived while the step was suspended. */
  #arrived: Array<Buffer> = []
  /** While the signer is asked. */
  #abort: AbortController | undefined
  #signError: TlsError | undefined
  /** The server closed the connection while the step was suspended. */
  #lost: Error | undefined

  constructor(open: OpenTls, sign: TlsSigner, listener: HandshakeListener) {
    this.#open = open
    this.#sign = sign
    this.#listener = listener
  }

  get isSigning(): boolean {
    return this.#state === "signing"
  }

  advance(): void {
    if (this.#state !== "stepping") return
    const step = this.#open.addon.advance(this.#open.connection)
    if (step === "sign") this.#askSigner()
    else this.#after(step)
  }

  receive(ciphertext: Buffer): void {
    if (this.#state === "signing") {
      this.#arrived.push(ciphertext)
      if (this.#arrived.reduce((sum, part) => sum + part.length, 0) > maxWaiting) this.#open.socket.pause()
      return
    }
    this.#open.addon.feed(this.#open.connection, ciphertext)
    this.advance()
  }

  /** The socket closed, for this reason unless the server sent a better one. */
  lost(reason: Error): void {
    if (this.#lost) return
    if (this.#state !== "signing" || this.#arrived.length === 0) {
      this.#listener.failed(reason)
      return
    }
    this.#lost = reason
    this.#abort?.abort()
    this.#signed(noSignature)
  }

  /** Pending work has no further effect. The connection may then be closed. */
  stop(): void {
    this.#state = "over"
    this.#arrived = []
    this.#abort?.abort()
  }

  // ---- the step that signs ----

  #askSigner(): void {
    const { addon, connection, settings } = this.#open
    const request = addon.signatureRequest(connection)
    if (!request) return
    this.#state = "signing"
    const abort = new AbortController()
    this.#abort = abort
    clientSignature(request, settings.publicKey, this.#sign, abort.signal).then(
      (signature) => this.#signed(signature),
      (error: TlsError) => {
        this.#signError = error
        this.#signed(undefined)
      }
    )
  }

  #signed(signature: Buffer | undefined): void {
    if (this.#state !== "signing") return
    const { addon, connection, socket } = this.#open
    const step = addon.answerSignature(connection, signature) ?? "failed"
    this.#abort = undefined
    this.#state = "stepping"
    const arrived = this.#arrived
    this.#arrived = []
    for (const ciphertext of arrived) addon.feed(connection, ciphertext)
    if (this.#lost) {
      this.#readLastWords(step, this.#lost)
      return
    }
    socket.resume()
    this.#after(step)
    if (step === "read" && arrived.length > 0) this.advance()
  }

  #readLastWords(step: Exclude<HandshakeStep, "sign">, reason: Error): void {
    const { addon, connection } = this.#open
    const next = step === "read" ? addon.advance(connection) : step
    if (next === "done") while (addon.read(connection) instanceof Buffer);
    const facts = addon.failure(connection)
    this.#listener.failed(facts.alert < 0 ? reason : failedTls("ERR_TLS_HANDSHAKE", facts))
  }

  #after(step: Exclude<HandshakeStep, "sign">): void {
    if (step === "done") {
      this.#listener.secure()
      return
    }
    this.#listener.flush()
    if (step === "read") return
    const { addon, connection } = this.#open
    this.#listener.failed(this.#signError ?? failedTls("ERR_TLS_HANDSHAKE", addon.failure(connection)))
  }
}

/** Any byte; it is never sent. */
const noSignature = Buffer.alloc(1)

/** Bytes, plus one chunk. */
const maxWaiting = 64 * 1024
