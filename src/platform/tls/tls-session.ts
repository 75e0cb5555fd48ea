/**
 * Resumption of a TLS 1.3 connection without another signature, and its binding.
 *
 * A resumption exchanges no certificates: a session is valid for the same host, port, server name, trust store, chain, key
 * and settings only. The add-on checks that too. Source: RFC 8446, 2.2 and 4.6.1.
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
