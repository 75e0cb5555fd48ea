/** Options of connections, agents and stream builders. */
import type { LookupFunction } from "node:net"
import type { Duplex } from "node:stream"
import type { PemInput } from "./certificates.ts"
import type { SigningKey } from "./key.ts"

/** The client's identity, and the certificates it trusts. */
export interface IdentityOptions {
  /** A key of a token, or any `{ publicKey, sign }`. */
  readonly key: SigningKey
  /** PEM: the certificate of the key, and its issuers in any order. */
  readonly cert: PemInput
  /** PEM: the only trusted CA certificates. Default: those of Node. */
  readonly ca?: PemInput | undefined
}

/** Accepted by agents and stream builders, too. */
export interface SecureOptions extends IdentityOptions {
  /** Must match the server's certificate; sent as SNI. Default: the host. */
  readonly servername?: string | undefined
  readonly ALPNProtocols?: ReadonlyArray<string | Uint8Array> | undefined
  /** Default: TLSv1.2. */
  readonly minVersion?: "TLSv1.2" | "TLSv1.3" | undefined
  /** From connecting to `secureConnect`, the signature included, in milliseconds. Default: 90,000. */
  readonly timeout?: number | undefined
  readonly signal?: AbortSignal | undefined
  /** As of `net.connect`. */
  readonly lookup?: LookupFunction | undefined
  readonly family?: number | undefined
  readonly localAddress?: string | undefined
}

export interface ConnectOptions extends SecureOptions {
  /** Default: localhost. */
  readonly host?: string | undefined
  readonly port?: number | string | undefined
  /** A stream to the server instead of host and port: a socket, connecting or connected, or a tunnel. Ownership passes to the connection. */
  readonly socket?: Duplex | undefined
}
