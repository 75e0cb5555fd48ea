/**
 * Where a TLS connection goes, whom it trusts and who it is, and what the native client makes of that.
 */
import { isIP } from "node:net"
import type { Duplex } from "node:stream"
import type { TlsAddon, TlsConnection } from "./tls-addon.ts"
import { type ClientChain, pemCertificates } from "./tls-certificates.ts"
import { TlsError } from "./tls-error.ts"

export interface TlsTarget {
  readonly host: string
  readonly port: number
  /** Checked against the server's certificate: a DNS name or an IP address. */
  readonly serverName: string
  /** PEM: the CA certificates that are trusted, also intermediate ones. */
  readonly ca: string | ReadonlyArray<string>
  /** PEM. Leaf first, or in any order when `publicKey` is given. */
  readonly certificateChain: string
  /** SubjectPublicKeyInfo, DER, of the key that signs: chooses the leaf. */
  readonly publicKey?: Uint8Array
  readonly alpn?: ReadonlyArray<string>
  /** From dialling to the end of the handshake, the signature included. */
  readonly timeoutMs: number
  /** Without it: TLSv1.2. */
  readonly minVersion?: "TLSv1.2" | "TLSv1.3"
  /** A connected stream, through a proxy for instance, instead of dialling. Ours from then on. */
  readonly socket?: Duplex
  /** From a "session" event of an earlier connection to the same target. */
  readonly session?: Buffer
}

/** Throws TlsError ERR_TLS_SETTINGS. */
export const openConnection = (addon: TlsAddon, chain: ClientChain, target: TlsTarget): TlsConnection => {
  const name = target.serverName.replace(/\.$/, "") // RFC 6066, 3: the SNI has no trailing dot
  const isAddress = isIP(name) !== 0
  try {
    return addon.open({
      trusted: [target.ca].flat().flatMap(pemCertificates),
      chain: chain.certificates,
      host: isAddress ? undefined : name,
      ip: isAddress ? name : undefined,
      alpn: target.alpn?.length ? encodeAlpn(target.alpn) : undefined,
      session: target.session,
      minVersion: target.minVersion === "TLSv1.3" ? 0x0304 : 0x0303
    })
  } catch (cause) {
    throw new TlsError("ERR_TLS_SETTINGS", cause instanceof Error ? cause.message : String(cause), { cause })
  }
}

/** RFC 7301, 3.1. */
const encodeAlpn = (protocols: ReadonlyArray<string>): Buffer =>
  Buffer.concat(protocols.flatMap((name) => [Buffer.from([Buffer.byteLength(name)]), Buffer.from(name)]))
