/** The stream of a connection, as programs see it. */
import type { X509Certificate } from "node:crypto"
import type { Duplex } from "node:stream"
import type { TlsCipher, TlsPeerCertificate } from "./tls-facts.ts"

/**
 * The stream returned by `connect`: the part of `tls.TLSSocket` that clients of HTTP, MQTT and WebSocket use.
 *
 * Events: those of a Duplex, and `lookup`, `connect`, `ready`, `secureConnect`, `timeout`. Errors are of the class TokenError.
 * Not supported: `renegotiate`, `getSession` and resumption, `exportKeyingMaterial`,
 * `getFinished`, `getEphemeralKeyInfo`, the server side. It is not an `instanceof` net.Socket or tls.TLSSocket.
 */
export interface TlsStream extends Duplex {
  readonly encrypted: true
  /** True from `secureConnect` on. A connection to an untrusted server is always closed. */
  readonly authorized: boolean
  readonly authorizationError: null
  /** The protocol the server chose; `false`: none. `null` before `secureConnect`. */
  readonly alpnProtocol: string | false | null
  /** The name that the server's certificate must match. */
  readonly servername: string
  readonly connecting: boolean
  readonly pending: boolean
  readonly secureConnecting: boolean
  readonly readyState: "opening" | "open" | "closed" | "readOnly" | "writeOnly"
  readonly localAddress: string | undefined
  readonly localPort: number | undefined
  readonly localFamily: string | undefined
  readonly remoteAddress: string | undefined
  readonly remotePort: number | undefined
  readonly remoteFamily: string | undefined
  /** Of the data, without TLS. */
  readonly bytesRead: number
  readonly bytesWritten: number
  /** Of `setTimeout`, in milliseconds. */
  readonly timeout: number | undefined
  address(): { readonly address?: string; readonly family?: string; readonly port?: number }
  /** `TLSv1.2`, `TLSv1.3`; `null` before `secureConnect`. */
  getProtocol(): string | null
  /** Empty before `secureConnect`. */
  getCipher(): TlsCipher
  /** Empty before `secureConnect`. `detailed`: with the issuers that the server sent, as `issuerCertificate`. */
  getPeerCertificate(detailed?: boolean): TlsPeerCertificate
  getPeerX509Certificate(): X509Certificate | undefined
  isSessionReused(): boolean
  /** Emits `timeout` after so many milliseconds without data, and does nothing else. 0: never. */
  setTimeout(ms: number, listener?: () => void): this
  setKeepAlive(enable?: boolean, initialDelayMs?: number): this
  setNoDelay(noDelay?: boolean): this
  /** Ends, and destroys the stream once everything was sent. */
  destroySoon(): void
  ref(): this
  unref(): this
}
