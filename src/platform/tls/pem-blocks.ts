/**
 * The PEM blocks of certificate files: certificates, private keys, and replacing the former without the latter.
 *
 * A file may hold both (`device.cert_path` = `device.key_path`). OpenSSL writes certificates under three labels; under
 * TRUSTED CERTIFICATE its own trust settings follow the certificate (X509_CERT_AUX, openssl-x509(1), -addtrust).
 */

interface CertificateBlock {
  /** DER, without trust settings. */
  readonly certificate: Buffer
  /** X509_CERT_AUX, DER; empty under the other labels. */
  readonly trustSettings: Buffer
}

export const certificateBlocks = (pem: string): ReadonlyArray<CertificateBlock> =>
  Array.from(pem.matchAll(certificatePattern), ([, label = "", base64 = ""]) => {
    const der = Buffer.from(base64, "base64")
    const end = (label.startsWith("TRUSTED") ? elementEnd(der, 0) : undefined) ?? der.length
    return { certificate: der.subarray(0, end), trustSettings: der.subarray(end) }
  })

/** The certificates of a file that may be trusted as issuers of servers, respecting its trust settings. */
export const trustedCertificates = (pem: string): ReadonlyArray<Buffer> =>
  certificateBlocks(pem).flatMap(({ certificate, trustSettings }) =>
    allowsServers(trustSettings) ? [certificate] : []
  )

/** Also matches a truncated or encrypted private key. */
export const holdsPrivateKey = (pem: string): boolean => /-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----/.test(pem)

export const holdsCertificate = (pem: string): boolean => pem.search(certificatePattern) !== -1

/**
 * A file's text with its certificates replaced. The rest is kept byte for byte, above all a private key; a private key of
 * `renewed` that the file lacks is added.
 */
export const withCertificates = (present: string, renewed: string): string => {
  const certificates = Array.from(renewed.matchAll(certificatePattern), ([block]) => `${block}\n`).join("")
  const rest = present.replaceAll(certificatePattern, "").replace(/^\s+/, "")
  const added = Array.from(renewed.matchAll(privateKeyPattern), ([block]) => block).filter((key) => !rest.includes(key))
  return [certificates, ended(rest), ...added.map(ended)].join("")
}

const ended = (text: string): string => (text === "" || text.endsWith("\n") ? text : `${text}\n`)

const certificatePattern =
  /-----BEGIN ((?:X509 |TRUSTED )?CERTIFICATE)-----([^-]*)-----END (?:X509 |TRUSTED )?CERTIFICATE-----/g

const privateKeyPattern = /-----BEGIN ([A-Z0-9 ]*PRIVATE KEY)-----[\s\S]*?-----END \1-----/g

/** No settings: all uses. A list of allowed uses allows those; rejected uses are rejected. */
const allowsServers = (settings: Buffer): boolean => {
  let allowed = true
  let at = contentStart(settings, 0)
  while (at !== undefined && at < settings.length) {
    const end = elementEnd(settings, at)
    if (end === undefined) return false
    const namesServers = serverUses.some((use) => settings.subarray(at, end).includes(use))
    if (settings[at] === 0x30) allowed = namesServers // trust: SEQUENCE OF OBJECT IDENTIFIER
    if (settings[at] === 0xa0 && namesServers) return false // reject: [0] IMPLICIT
    at = end
  }
  return allowed
}

/** serverAuth, anyExtendedKeyUsage (RFC 5280, 4.2.1.12), DER. */
const serverUses = [Buffer.from("06082b06010505070301", "hex"), Buffer.from("0604551d2500", "hex")]

/** End of the DER element that begins at `at`; undefined: beyond the end of the bytes. */
const elementEnd = (der: Buffer, at: number): number | undefined => {
  const start = contentStart(der, at)
  if (start === undefined) return undefined
  const first = der[at + 1] ?? 0
  const length = first < 0x80 ? first : der.readUIntBE(at + 2, first - 0x80)
  return start + length <= der.length ? start + length : undefined
}

const contentStart = (der: Buffer, at: number): number | undefined => {
  const first = der[at + 1]
  if (first === undefined || first === 0x80 || first > 0x84) return undefined
  const start = at + 2 + (first < 0x80 ? 0 : first - 0x80)
  return start <= der.length ? start : undefined
}
