/**
 * Orders the client's certificates for TLS: the one of our key first, then each one's issuer.
 *
 * Source: RFC 8446, 4.4.2.
 */
import { createPublicKey, type KeyObject, X509Certificate } from "node:crypto"
import { readRegularText } from "../files/read-file.ts"
import { deviceCertificate, pemCertificates } from "./device-certificate.ts"
import { TlsError } from "./tls-error.ts"

interface ClientChain {
  /** Of the leaf. */
  readonly publicKey: KeyObject
  /** DER, leaf first. */
  readonly certificates: ReadonlyArray<Buffer>
}

/**
 * `publicKey` is the SubjectPublicKeyInfo (DER) of the signing key; without it the leaf is the device's certificate, if
 * it is known, else the first.
 * Throws TlsError ERR_TLS_SETTINGS.
 */
export const clientChain = (pem: string, publicKey: Uint8Array | undefined): ClientChain => {
  const certificates = pemCertificates(pem).map(parse)
  const leaf =
    publicKey === undefined
      ? (deviceCertificate(certificates) ?? certificates[0])
      : certificates.find((one) => hasKey(one, publicKey))
  if (leaf === undefined) {
    const reason = certificates.length === 0 ? "no client certificate" : "no client certificate for the key"
    throw new TlsError("ERR_TLS_SETTINGS", reason)
  }
  return { publicKey: leaf.publicKey, certificates: issuersAfter([leaf], certificates).map((one) => one.raw) }
}

const parse = (der: Buffer): X509Certificate => {
  try {
    return new X509Certificate(der)
  } catch (cause) {
    throw new TlsError("ERR_TLS_SETTINGS", "malformed client certificate", { cause })
  }
}

/** The device's certificate in a file. Throws if the file or a certificate in it cannot be read. */
export const certificateIn = (path: string): X509Certificate | undefined =>
  deviceCertificate(pemCertificates(readRegularText(path)).map((der) => new X509Certificate(der)))

/** SubjectPublicKeyInfo, DER. */
export const publicKeyInfo = (key: KeyObject): Uint8Array => new Uint8Array(key.export({ type: "spki", format: "der" }))

const hasKey = (certificate: X509Certificate, spki: Uint8Array): boolean =>
  certificate.publicKey.equals(createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" }))

/** Certificates outside the chain keep their order and come last. */
const issuersAfter = (
  path: ReadonlyArray<X509Certificate>,
  certificates: ReadonlyArray<X509Certificate>
): ReadonlyArray<X509Certificate> => {
  const rest = certificates.filter((one) => !path.includes(one))
  const last = path.at(-1)
  const issuer = rest.find((one) => last?.checkIssued(one))
  return issuer === undefined ? [...path, ...rest] : issuersAfter([...path, issuer], certificates)
}
