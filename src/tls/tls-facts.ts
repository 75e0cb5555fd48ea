/** Cipher suites and certificates in the format of Node's TLSSocket. */
import { X509Certificate } from "node:crypto"

export interface TlsCipher {
  /** OpenSSL's name. */
  readonly name: string
  /** IANA's name. */
  readonly standardName: string
  /** The version of TLS that introduced it. */
  readonly version: string
}

export const cipherFacts = (name: string | undefined): TlsCipher => {
  if (name === undefined) return { name: "", standardName: "", version: "" }
  return name.startsWith("TLS_")
    ? { name, standardName: name, version: "TLSv1.3" }
    : { name, standardName: standardName(name), version: "TLSv1.2" }
}

/** Of the suites offered for TLS 1.2: ECDHE with AES-GCM or ChaCha20. */
const standardName = (name: string): string => {
  const [exchange, authentication, ...cipher] = name.replace(/AES(\d+)/, "AES-$1").split("-")
  const suite = cipher.includes("CHACHA20") ? [...cipher, "SHA256"] : cipher
  return `TLS_${exchange}_${authentication}_WITH_${suite.join("_")}`
}

/** As in `tls.PeerCertificate`; see Node's documentation. Empty before the handshake is complete. */
// biome-ignore lint/suspicious/noExplicitAny: Node's own type has optional fields of many kinds
export type TlsPeerCertificate = Record<string, any>

/** The server's own first. `detailed`: with its issuers as `issuerCertificate`. */
export const legacyCertificate = (certificates: ReadonlyArray<Buffer>, detailed: boolean): TlsPeerCertificate => {
  const [own, ...issuers] = certificates
  if (own === undefined) return {}
  const legacy: TlsPeerCertificate = new X509Certificate(own).toLegacyObject()
  if (detailed) legacy.issuerCertificate = issuers.length === 0 ? legacy : legacyCertificate(issuers, true)
  return legacy
}
