/**
 * The native TLS client: dist/tls.node (native/tls). Used by the TLS stream only.
 *
 * A connection is a state machine without a socket: ciphertext is fed in and taken out. While it waits for a signature it
 * is suspended in the middle of a step; then only the calls marked "any time" may be made, the others throw.
 */
import { loadAddon } from "../native/addon-file.ts"

/** Opaque; freed by the garbage collector. */
export type TlsSettings = { readonly settings: unique symbol }

/** Opaque; `close` frees what it holds, at the latest the garbage collector does. */
export type TlsConnection = { readonly connection: unique symbol }

export type HandshakeStep =
  /** Feed the server's bytes, then advance. */
  | "read"
  | "done"
  /** A signature is needed: see `signatureRequest`, then `answerSignature`. */
  | "sign"
  /** See `failure`. */
  | "failed"

export interface TlsFailureFacts {
  /** OpenSSL's message. */
  readonly reason: string
  /** X509_V_ERR_ code; 0: not about the server's certificate. */
  readonly verifyCode: number
  readonly verifyText: string
  /** AlertDescription received from the server (RFC 8446, 6); -1: none. */
  readonly alert: number
}

export interface TlsAddon {
  /** Throws an Error with OpenSSL's message if it rejects something. All certificates are DER. */
  readonly settings: (parts: {
    readonly trusted: ReadonlyArray<Buffer>
    /** Leaf first. */
    readonly chain: ReadonlyArray<Buffer>
    readonly minVersion: number
  }) => TlsSettings
  /** Throws as `settings` does. */
  readonly open: (
    settings: TlsSettings,
    options: {
      /** Either host or ip. */
      readonly host: string | undefined
      readonly ip: string | undefined
      /** In wire format (RFC 7301, 3.1). */
      readonly alpn: Buffer | undefined
      /** Binding of sessions, at most 32 bytes. */
      readonly binding: Buffer | undefined
      /** DER. Ignored if invalid or bound differently. */
      readonly session: Buffer | undefined
      /** Of the session, in seconds. */
      readonly sessionAge: number
    }
  ) => TlsConnection
  /** Any time; ends a pending signature. Once. */
  readonly close: (connection: TlsConnection) => void
  readonly advance: (connection: TlsConnection) => HandshakeStep
  /** Any time; undefined if none is pending. */
  readonly signatureRequest: (
    connection: TlsConnection
  ) => { readonly scheme: number; readonly message: Buffer } | undefined
  /** Any time. Without a signature the handshake fails. Returns the outcome of the step; undefined if none is pending. */
  readonly answerSignature: (
    connection: TlsConnection,
    signature: Buffer | undefined
  ) => Exclude<HandshakeStep, "sign"> | undefined
  readonly feed: (connection: TlsConnection, ciphertext: Buffer) => void
  readonly take: (connection: TlsConnection) => Buffer | undefined
  readonly read: (connection: TlsConnection) => Buffer | "wait" | "closed" | "failed"
  /** False: see `failure`. */
  readonly write: (connection: TlsConnection, plaintext: Buffer) => boolean
  readonly closeNotify: (connection: TlsConnection) => void
  readonly failure: (connection: TlsConnection) => TlsFailureFacts
  readonly negotiated: (connection: TlsConnection) => {
    readonly protocol: string
    readonly cipher: string
    /** Empty: the server chose none. */
    readonly alpn: Buffer
    readonly resumed: boolean
  }
  /** Sent by the server, DER, its own first. Empty before the handshake is over, and for a resumed session. */
  readonly peerCertificates: (connection: TlsConnection) => ReadonlyArray<Buffer>
  /** TLS 1.3 sessions in DER, each once, oldest first; `lifetime` in seconds. Secret. */
  readonly takeSession: (connection: TlsConnection) => { readonly der: Buffer; readonly lifetime: number } | undefined
  /** Number of open connections in this process, in all threads. */
  readonly connections: () => number
  /** Number of settings held, likewise. */
  readonly settingsKept: () => number
}

/** Throws AddonNotLoaded. */
export const tlsAddon = (): TlsAddon => {
  loaded.addon ??= loadAddon("tls") as TlsAddon
  return loaded.addon
}

const loaded: { addon?: TlsAddon } = {}
