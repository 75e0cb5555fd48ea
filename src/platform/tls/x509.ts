/**
 * Builds X.509 structures: the bytes to be signed, and the finished structure once a signature is there.
 *
 * The key may be in a token, so this is in two steps: `toBeSigned` is signed by the caller, and `signed` combines it with
 * the signature.
 * Source: RFC 5280 (certificates), RFC 2986 (requests), RFC 5652 5.1 (certificate bags, as EST sends them).
 */
import { createHash, randomBytes } from "node:crypto"
import {
  Boolean as Asn1Boolean,
  Set as Asn1Set,
  BitString,
  Constructed,
  fromBER,
  GeneralizedTime,
  Integer,
  Null,
  ObjectIdentifier,
  OctetString,
  PrintableString,
  Sequence,
  UTCTime,
  Utf8String
} from "asn1js"

/** Signature algorithm of certificates and requests. PKCS#1 for RSA: not every CA accepts PSS. */
export type CertificateScheme =
  | "ecdsa_secp256r1_sha256"
  | "ecdsa_secp384r1_sha384"
  | "ecdsa_secp521r1_sha512"
  | "rsa_pkcs1_sha256"

/** The subject of a device certificate, in this order. */
export interface Subject {
  readonly commonName: string
  readonly organization: string
  readonly organizationUnit: string
}

/** DER without its signature. */
export interface Unsigned {
  readonly kind: "certificate" | "request"
  readonly scheme: CertificateScheme
  /** TBSCertificate or CertificationRequestInfo, DER: the message to sign, not its hash. */
  readonly toBeSigned: Uint8Array
}

/** A PKCS#10 certification request for `publicKey` (SubjectPublicKeyInfo, DER). */
export const certificationRequest = (subject: Subject, publicKey: Uint8Array, scheme: CertificateScheme): Unsigned => ({
  kind: "request",
  scheme,
  toBeSigned: der(
    new Sequence({
      value: [
        new Integer({ value: 0 }),
        distinguishedName(subject),
        parsed(publicKey),
        new Constructed({ idBlock: { tagClass: 3, tagNumber: 0 }, value: [] })
      ]
    })
  )
})

/**
 * A self-signed certificate, version 3, CA:TRUE (Cumulocity rejects CA:FALSE).
 *
 * Valid from a day before `now`, for devices whose clock is slow, until `now` plus `validForMs`.
 */
export const selfSignedCertificate = (
  subject: Subject,
  publicKey: Uint8Array,
  scheme: CertificateScheme,
  now: Date,
  validForMs: number
): Unsigned => ({
  kind: "certificate",
  scheme,
  toBeSigned: der(
    new Sequence({
      value: [
        new Constructed({ idBlock: { tagClass: 3, tagNumber: 0 }, value: [new Integer({ value: 2 })] }),
        new Integer({ valueHex: exactBuffer(positive(randomBytes(16))) }),
        signatureAlgorithm(scheme),
        distinguishedName(subject),
        new Sequence({ value: [time(new Date(now.getTime() - dayMs)), time(new Date(now.getTime() + validForMs))] }),
        distinguishedName(subject),
        parsed(publicKey),
        new Constructed({
          idBlock: { tagClass: 3, tagNumber: 3 },
          value: [
            new Sequence({
              value: [
                extension(oid.basicConstraints, true, der(new Sequence({ value: [new Asn1Boolean({ value: true })] }))),
                subjectKeyIdentifier(publicKey)
              ]
            })
          ]
        })
      ]
    })
  )
})

/** The finished certificate or request, PEM. `signature`: DER Ecdsa-Sig-Value, or raw RSA. */
export const signed = (unsigned: Unsigned, signature: Uint8Array): string =>
  pem(
    unsigned.kind === "certificate" ? "CERTIFICATE" : "CERTIFICATE REQUEST",
    der(
      new Sequence({
        value: [
          parsed(unsigned.toBeSigned),
          signatureAlgorithm(unsigned.scheme),
          new BitString({ valueHex: exactBuffer(signature) })
        ]
      })
    )
  )

/** Text around DER: base64 in lines of 64 (RFC 7468). */
export const pem = (label: string, bytes: Uint8Array): string =>
  `-----BEGIN ${label}-----\n${Buffer.from(bytes)
    .toString("base64")
    .replace(/.{64}(?=.)/g, "$&\n")}\n-----END ${label}-----\n`

/**
 * The certificates of a PKCS#7 certs-only message (DER), as PEM, in their order.
 * Undefined: not such a message, or without a certificate.
 */
export const certificatesOf = (pkcs7: Uint8Array): ReadonlyArray<string> | undefined => {
  const result = received(pkcs7)
  if (!(result instanceof Sequence)) return undefined
  const [type, content] = result.valueBlock.value
  if (!(type instanceof ObjectIdentifier) || type.getValue() !== oid.signedData) return undefined
  const inner = content instanceof Constructed ? content.valueBlock.value[0] : undefined
  if (!(inner instanceof Sequence)) return undefined
  const bag = inner.valueBlock.value.find(
    (part) => part instanceof Constructed && part.idBlock.tagClass === 3 && part.idBlock.tagNumber === 0
  )
  if (!(bag instanceof Constructed) || bag.valueBlock.value.length === 0) return undefined
  return bag.valueBlock.value.map((certificate) => pem("CERTIFICATE", new Uint8Array(certificate.toBER())))
}

/** The content of the first PKCS#10 request of a PEM text; undefined if there is none. */
export const requestFacts = (
  text: string
):
  | {
      readonly pem: string
      /** SubjectPublicKeyInfo, DER. */
      readonly publicKey: Uint8Array
      readonly commonName: string | undefined
    }
  | undefined => {
  const base64 = /-----BEGIN (?:NEW )?CERTIFICATE REQUEST-----([^-]*)-----END/.exec(text)?.[1]
  if (base64 === undefined) return undefined
  const bytes = Buffer.from(base64, "base64")
  const [info] = childrenOf(received(bytes))
  const [, subject, publicKey] = childrenOf(info)
  if (!(subject instanceof Sequence) || !(publicKey instanceof Sequence)) return undefined
  return { pem: pem("CERTIFICATE REQUEST", bytes), publicKey: der(publicKey), commonName: commonNameOf(subject) }
}

/** Undefined: invalid DER. For some of it the library returns -1, for the rest it throws. */
const received = (bytes: Uint8Array): unknown => {
  try {
    const { result, offset } = fromBER(exactBuffer(bytes))
    return offset === -1 ? undefined : result
  } catch {
    return undefined
  }
}

const childrenOf = (value: unknown): ReadonlyArray<unknown> =>
  value instanceof Sequence || value instanceof Asn1Set ? value.valueBlock.value : []

const commonNameOf = (subject: Sequence): string | undefined => {
  const attributes = childrenOf(subject).flatMap(childrenOf).map(childrenOf)
  const [, value] =
    attributes.find(([type]) => type instanceof ObjectIdentifier && type.getValue() === oid.commonName) ?? []
  return value instanceof Utf8String || value instanceof PrintableString ? value.getValue() : undefined
}

const dayMs = 86_400_000

const oid = {
  commonName: "2.5.4.3",
  organization: "2.5.4.10",
  organizationUnit: "2.5.4.11",
  basicConstraints: "2.5.29.19",
  subjectKeyIdentifier: "2.5.29.14",
  signedData: "1.2.840.113549.1.7.2"
} as const

const signatureOid: Record<CertificateScheme, string> = {
  ecdsa_secp256r1_sha256: "1.2.840.10045.4.3.2",
  ecdsa_secp384r1_sha384: "1.2.840.10045.4.3.3",
  ecdsa_secp521r1_sha512: "1.2.840.10045.4.3.4",
  rsa_pkcs1_sha256: "1.2.840.113549.1.1.11"
}

/** RFC 5758, 3.2: ECDSA has no parameters; RFC 4055, 5: RSA has NULL. */
const signatureAlgorithm = (scheme: CertificateScheme) =>
  new Sequence({
    value: [
      new ObjectIdentifier({ value: signatureOid[scheme] }),
      ...(scheme === "rsa_pkcs1_sha256" ? [new Null()] : [])
    ]
  })

const distinguishedName = (subject: Subject) =>
  new Sequence({
    value: [
      attribute(oid.commonName, subject.commonName),
      attribute(oid.organization, subject.organization),
      attribute(oid.organizationUnit, subject.organizationUnit)
    ]
  })

const attribute = (type: string, value: string) =>
  new Asn1Set({
    value: [new Sequence({ value: [new ObjectIdentifier({ value: type }), new Utf8String({ value })] })]
  })

const extension = (type: string, critical: boolean, value: Uint8Array) =>
  new Sequence({
    value: [
      new ObjectIdentifier({ value: type }),
      ...(critical ? [new Asn1Boolean({ value: true })] : []),
      new OctetString({ valueHex: exactBuffer(value) })
    ]
  })

/** RFC 5280, 4.2.1.2, method (1): SHA-1 over the bits of the public key. */
const subjectKeyIdentifier = (publicKey: Uint8Array) => {
  const info = parsed(publicKey)
  const bits = info instanceof Sequence ? info.valueBlock.value[1] : undefined
  const key = bits instanceof BitString ? new Uint8Array(bits.valueBlock.valueHexView) : publicKey
  const digest = createHash("sha1").update(key).digest()
  return extension(oid.subjectKeyIdentifier, false, der(new OctetString({ valueHex: exactBuffer(digest) })))
}

/** RFC 5280, 4.1.2.5: UTCTime until 2049, GeneralizedTime after. */
const time = (at: Date) => {
  const whole = new Date(Math.floor(at.getTime() / 1000) * 1000)
  return whole.getUTCFullYear() < 2050 ? new UTCTime({ valueDate: whole }) : new GeneralizedTime({ valueDate: whole })
}

/** A serial number is positive: the first bit is cleared, the first byte not zero (RFC 5280, 4.1.2.2). */
const positive = (bytes: Buffer): Buffer => {
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40
  return bytes
}

const der = (value: { toBER(): ArrayBuffer }): Uint8Array => new Uint8Array(value.toBER())

const parsed = (bytes: Uint8Array) => fromBER(exactBuffer(bytes)).result

/** An ArrayBuffer of exactly these bytes: a Buffer may be a view of a larger one. */
const exactBuffer = (bytes: Uint8Array): ArrayBuffer => {
  const copy = new ArrayBuffer(bytes.length)
  new Uint8Array(copy).set(bytes)
  return copy
}
