/**
 * Trust and identity of a TLS client in OpenSSL's form; cached for the next connection with the same texts.
 *
 * Parsing costs more than the rest of a handshake. The cache key is the texts themselves: a changed certificate is
 * another text.
 */
import type { KeyObject } from "node:crypto"
import type { TlsAddon, TlsSettings } from "./tls-addon.ts"
import { clientChain } from "./tls-certificates.ts"
import { orTlsError } from "./tls-error.ts"
import { fingerprintOf, keptFor, type TrustStore } from "./trust-store.ts"

export interface SettingsTexts {
  /** CA certificates, also intermediate ones. */
  readonly trusted: TrustStore
  /** PEM. Leaf first, or in any order if `publicKey` is given. */
  readonly certificateChain: string
  /** SubjectPublicKeyInfo, DER, of the signing key: selects the leaf. */
  readonly publicKey?: Uint8Array
  /** Without it: TLSv1.2. */
  readonly minVersion?: "TLSv1.2" | "TLSv1.3"
}

export interface ParsedSettings {
  readonly native: TlsSettings
  /** Of the client's certificate. */
  readonly publicKey: KeyObject
  /** Of all settings: other settings have another. */
  readonly fingerprint: string
}

/** Throws TlsError ERR_TLS_SETTINGS. */
export const parsedSettings = (addon: TlsAddon, texts: SettingsTexts): ParsedSettings =>
  kept(texts, () => {
    const { publicKey, certificates } = clientChain(texts.certificateChain, texts.publicKey)
    const { trusted } = texts
    const minVersion = texts.minVersion === "TLSv1.3" ? 0x0304 : 0x0303
    const native = orTlsError(() => addon.settings({ trusted: trusted.certificates, chain: certificates, minVersion }))
    return { native, publicKey, fingerprint: `${minVersion} ${trusted.fingerprint()} ${fingerprintOf(certificates)}` }
  })

const sameBytes = (one: Uint8Array | undefined, other: Uint8Array | undefined): boolean =>
  one === undefined || other === undefined ? one === other : Buffer.compare(one, other) === 0

const kept = keptFor<SettingsTexts, ParsedSettings>(
  (one, other) =>
    one.certificateChain === other.certificateChain &&
    one.minVersion === other.minVersion &&
    one.trusted === other.trusted &&
    sameBytes(one.publicKey, other.publicKey),
  ({ trusted, certificateChain, publicKey, minVersion }) => ({
    trusted,
    certificateChain,
    ...(publicKey === undefined ? {} : { publicKey: Uint8Array.from(publicKey) }),
    ...(minVersion === undefined ? {} : { minVersion })
  })
)
