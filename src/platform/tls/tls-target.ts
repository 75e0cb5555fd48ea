/**
 * Address, trust and identity of a TLS connection, and their form for the native client.
 */
import { isIP } from "node:net"
import type { Duplex } from "node:stream"
import type { TlsAddon, TlsConnection } from "./tls-addon.ts"
import { orTlsError } from "./tls-error.ts"
import type { ParsedSettings, SettingsTexts } from "./tls-settings.ts"

/** Resumes a TLS 1.3 connection (see tls-session.ts). Secret: memory only. */
export interface TlsSession {
  readonly der: Buffer
  readonly binding: Buffer
  /** As the server set it, in milliseconds. */
  readonly lifetimeMs: number
}

export interface TlsTarget extends SettingsTexts {
  readonly host: string
  readonly port: number
  /** Must match the server's certificate: a DNS name or an IP address. */
  readonly serverName: string
  readonly alpn?: ReadonlyArray<string>
  /** From connecting to the end of the handshake, the signature included. */
  readonly timeoutMs: number
  /** A stream to use instead of connecting, for example a proxy tunnel; a socket may still be connecting. Ownership passes to us. */
  readonly socket?: Duplex
  /** The signing key, besides the certificate: sessions are bound to it. */
  readonly keyName?: string
  /** From a "session" event of an earlier connection to the same target; not offered to another. */
  readonly session?: TlsSession
  /** Age of that session. */
  readonly sessionAgeMs?: number
}

/** Throws TlsError ERR_TLS_SETTINGS. */
export const openConnection = (
  addon: TlsAddon,
  { native }: ParsedSettings,
  binding: Buffer,
  target: TlsTarget
): TlsConnection => {
  const name = target.serverName.replace(/\.$/, "") // RFC 6066, 3: the SNI has no trailing dot
  const isAddress = isIP(name) !== 0
  return orTlsError(() =>
    addon.open(native, {
      host: isAddress ? undefined : name,
      ip: isAddress ? name : undefined,
      alpn: target.alpn?.length ? encodeAlpn(target.alpn) : undefined,
      binding,
      session: target.session?.der,
      sessionAge: Math.floor((target.sessionAgeMs ?? 0) / 1000)
    })
  )
}

/** RFC 7301, 3.1. */
const encodeAlpn = (protocols: ReadonlyArray<string>): Buffer =>
  Buffer.concat(protocols.flatMap((name) => [Buffer.from([Buffer.byteLength(name)]), Buffer.from(name)]))
