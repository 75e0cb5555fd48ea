/**
 * The native TLS client, as it is: dist/tls.node (native/tls). Only the TLS stream uses it.
 *
 * A connection is a state machine without a socket: ciphertext is fed and taken. While a signature is wanted it stands
 * still in the middle of a step; then only the calls marked "any time" may be made, the others throw.
 */
import { loadAddon } from "../native/addon-file.ts"

/** Opaque; freed by the garbage collector. */
export type TlsSettings = { readonly settings: unique symbol }

/** Opaque; `close` frees what it holds, at the latest the garbage collector does. */
export type TlsConnection = { readonly connection: unique symbol }

export type HandshakeStep =
  /** Feed what the server sends, then advance. */
  | "read"
  | "done"
  /** A signature is wanted: see `signatureRequest`, then `answerSignature`. */
  | "sign"
  /** See `failure`. */
  | "failed"

export interface TlsFailureFacts {
  /** OpenSSL's own words. */
  readonly reason: string
  /** X509_V_ERR_ code; 0: the server's certificate is not the reason. */
  readonly verifyCode: number
  readonly verifyText: string
  /** AlertDescription received from the server (RFC 8446, 6); -1: none. */
  readonly alert: number
}

export interface TlsAddon {
  /** Throws an Error with OpenSSL's words when something in it cannot be used. All certificates are DER. */
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
      /** One of host and ip. */
      readonly host: string | undefined
      readonly ip: string | undefined
      /** As on the wire (RFC 7301, 3.1). */
      readonly alpn: Buffer | undefined
      /** What sessions are bound to, at most 32 bytes. */
      readonly binding: Buffer | undefined
      /** DER. Ignored when it cannot be used or has another binding. */
      readonly session: Buffer | undefined
      /** Of the session, in seconds. */
      readonly sessionAge: number
    }
  ) => TlsConnection
  /** Any time; ends a pending signature. Once. */
  readonly close: (connection: TlsConnection) => void
  readonly advance: (connection: TlsConnection) => HandshakeStep
  /** Any time; undefined when none is wanted. */
  readonly signatureRequest: (
    connection: TlsConnection
  ) => { readonly scheme: number; readonly message: Buffer } | undefined
  /** Any time. Without a signature the handshake fails. Answers what the step came to; undefined when none is wanted. */
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
  /** What the server sent, DER, its own first. Empty before the handshake is over; of a resumed one there is none. */
  readonly peerCertificates: (connection: TlsConnection) => ReadonlyArray<Buffer>
  /** TLS 1.3 sessions in DER, each once, the oldest first; `lifetime` in seconds. They hold secrets. */
  readonly takeSession: (connection: TlsConnection) => { readonly der: Buffer; readonly lifetime: number } | undefined
  /** How many are open in this process, in all its threads. */
  readonly connections: () => number
  /** How many settings are held, likewise. */
  readonly settingsKept: () => number
}

/** Throws AddonNotLoaded. */
export const tlsAddon = (): TlsAddon => {
  loaded.addon ??= loadAddon("tls") as TlsAddon
  return loaded.addon
}

const loaded: { addon?: TlsAddon } = {}
