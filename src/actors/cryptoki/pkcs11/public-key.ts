/**
 * Builds a SubjectPublicKeyInfo from a key's attributes on a token.
 *
 * Source: RFC 5480, 2 (EC); RFC 8017, A.1.1 and RFC 3279, 2.3.1 (RSA); PKCS #11 v2.40, 4.4 (CKA_PUBLIC_KEY_INFO).
 */
import { createPublicKey, X509Certificate } from "node:crypto"
import { bitString, sequence, unsignedInteger } from "./der.ts"
import { curveOf, idEcPublicKey, pointOf } from "./ec-curve.ts"
import type { PublicKeyMaterial } from "./values.ts"

/** DER; undefined if the object does not report enough. */
export const subjectPublicKeyInfo = (material: PublicKeyMaterial): Uint8Array | undefined =>
  rsaKeyInfo(material) ?? ecKeyInfo(material) ?? checkedInfo(material.publicKeyInfo)

/** Of a DER certificate; undefined: invalid, or its key is neither RSA nor EC. */
export const certificateKeyInfo = (certificate: Uint8Array): Uint8Array | undefined => {
  try {
    return checkedInfo(new X509Certificate(certificate).publicKey.export({ type: "spki", format: "der" }))
  } catch {
    // A stored certificate may be anything; it only helps if it can be parsed.
    return undefined
  }
}

const rsaKeyInfo = ({ modulus, exponent }: PublicKeyMaterial): Uint8Array | undefined =>
  modulus === undefined || exponent === undefined || modulus.length === 0 || exponent.length === 0
    ? undefined
    : sequence(rsaEncryption, bitString(sequence(unsignedInteger(modulus), unsignedInteger(exponent))))

const ecKeyInfo = ({ curve: params, point }: PublicKeyMaterial): Uint8Array | undefined => {
  const curve = curveOf(params)
  const uncompressed = curve && point && pointOf(point, curve)
  return curve && uncompressed && sequence(sequence(idEcPublicKey, curve.oid), bitString(uncompressed))
}

/** As OpenSSL encodes it; an EC key on a named curve, uncompressed. Undefined: not an RSA or EC public key. */
const checkedInfo = (info: Uint8Array | undefined): Uint8Array | undefined => {
  if (info === undefined || info.length === 0) return undefined
  try {
    const key = createPublicKey({ key: Buffer.from(info), format: "der", type: "spki" })
    const type = key.asymmetricKeyType
    // A JWK names the curve where the original may contain explicit parameters.
    const plain = type === "ec" ? createPublicKey({ key: key.export({ format: "jwk" }), format: "jwk" }) : key
    return type === "ec" || type === "rsa" ? new Uint8Array(plain.export({ type: "spki", format: "der" })) : undefined
  } catch {
    // Some modules return garbage for an attribute they do not support.
    return undefined
  }
}

/** SEQUENCE { rsaEncryption, NULL }. */
const rsaEncryption = Buffer.from("300d06092a864886f70d0101010500", "hex")
