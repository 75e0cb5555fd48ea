/**
 * What resumes a TLS 1.3 connection without another signature, and what it is bound to.
 *
 * A resumption shows no certificate, neither the server's nor ours: a session is good for the same host, port, server
 * name, trust store, chain, key and settings only. The add-on keeps to that too. Source: RFC 8446, 2.2 and 4.6.1.
 */
import { createHash } from "node:crypto"
import type { TlsAddon } from "./tls-addon.ts"
import { parsedSettings } from "./tls-settings.ts"
import type { TlsTarget } from "./tls-target.ts"

/** Throws TlsError ERR_TLS_SETTINGS. */
export const sessionBinding = (addon: TlsAddon, target: TlsTarget): Buffer => {
  const { fingerprint } = parsedSettings(addon, target)
  const { host, port, serverName, alpn = [], keyName = "" } = target
  return createHash("sha256")
    .update(JSON.stringify([fingerprint, host, port, serverName, alpn, keyName]))
    .digest()
}
