/**
 * The certificates that a TLS client trusts, parsed once; cached for the next connection with the same texts.
 *
 * Parsing a bundle of CA certificates costs more than a handshake. The cache key is the texts themselves: a changed bundle
 * is another text.
 */
import { createHash, X509Certificate } from "node:crypto"
import { trustedCertificates } from "./pem-blocks.ts"

export interface TrustStore {
  /** DER, each once; without those that OpenSSL cannot read. */
  readonly certificates: ReadonlyArray<Buffer>
  /** The same in PEM, for node:tls. */
  readonly pem: () => ReadonlyArray<string>
  /** Sensitive to the order too: a change of it only costs one more signature. */
  readonly fingerprint: () => string
}

/** From PEM texts, which may contain anything else, or nothing. */
export const trustStore = (texts: ReadonlyArray<string>): TrustStore =>
  kept(texts, () => {
    const found = new Map(texts.flatMap(trustedCertificates).map((der) => [der.toString("base64"), der]))
    const certificates = [...found.values()].filter((der) => readCertificate(der) !== undefined)
    let pem: ReadonlyArray<string> | undefined
    let fingerprint: string | undefined
    return {
      certificates,
      pem: () => {
        pem ??= certificates.map(
          (der) => `-----BEGIN CERTIFICATE-----\n${der.toString("base64")}\n-----END CERTIFICATE-----\n`
        )
        return pem
      },
      fingerprint: () => {
        fingerprint ??= fingerprintOf(certificates)
        return fingerprint
      }
    }
  })

/** Caches the result for the last few texts. They are copied: the caller may overwrite them. */
export const keptFor = <Texts, Made>(
  isSame: (one: Texts, other: Texts) => boolean,
  copied: (texts: Texts) => Texts
): ((texts: Texts, make: () => Made) => Made) => {
  /** Newest first. */
  const kept: Array<{ readonly texts: Texts; readonly made: Made }> = []
  return (texts, make) => {
    const found = kept.findIndex((one) => isSame(one.texts, texts))
    const entry = kept.splice(found, found < 0 ? 0 : 1)[0] ?? { texts: copied(texts), made: make() }
    kept.unshift(entry)
    kept.length = Math.min(kept.length, maxKept)
    return entry.made
  }
}

/** Undefined: OpenSSL rejects it. */
export const readCertificate = (der: Buffer): X509Certificate | undefined => {
  try {
    return new X509Certificate(der)
  } catch {
    return undefined
  }
}

export const fingerprintOf = (certificates: ReadonlyArray<Buffer>): string => {
  const hash = createHash("sha256").update(`${certificates.length}:`)
  for (const der of certificates) hash.update(`${der.length}:`).update(der)
  return hash.digest("hex")
}

/** One per cloud, and a spare: a bundle takes half a megabyte, and in OpenSSL one or two more. */
const maxKept = 4

const kept = keptFor<ReadonlyArray<string>, TrustStore>(
  (one, other) => one.length === other.length && one.every((text, index) => text === other[index]),
  (texts) => [...texts]
)
