/**
 * What a private key can do, from what the token reports about it.
 */
import { createPublicKey } from "node:crypto"
import { type SignatureScheme, signatureSchemes } from "../../../messages/signature-scheme.ts"
import { curveNamed, curveOf, type EcCurve } from "./ec-curve.ts"
import { CKK_EC, CKK_RSA } from "./pkcs11-constants.ts"
import type { PublicKeyMaterial, TokenObject } from "./values.ts"

export type SigningKey =
  | { readonly type: "EC"; readonly curve: EcCurve }
  /** `size`: bytes of the modulus, and of every signature. */
  | { readonly type: "RSA"; readonly size: number }

/** Undefined for a key that TLS cannot use: another type, an unknown curve, RSA below 2048 bits. */
export const signingKey = (object: TokenObject, material: PublicKeyMaterial): SigningKey | undefined => {
  if (object.keyType === CKK_EC) {
    const curve = curveOf(object.curve ?? material.curve)
    return curve && { type: "EC", curve }
  }
  const modulus = material.modulus
  if (object.keyType !== CKK_RSA || modulus === undefined) return undefined
  const first = modulus.findIndex((byte) => byte !== 0)
  const size = first < 0 ? 0 : modulus.length - first
  return size >= smallestRsa ? { type: "RSA", size } : undefined
}

/** The same from a SubjectPublicKeyInfo, for a private key that reports too little of itself. */
export const signingKeyOf = (info: Uint8Array): SigningKey | undefined => {
  const { asymmetricKeyDetails } = createPublicKey({ key: Buffer.from(info), format: "der", type: "spki" })
  const curve = curveNamed(asymmetricKeyDetails?.namedCurve)
  if (curve) return { type: "EC", curve }
  const size = (asymmetricKeyDetails?.modulusLength ?? 0) / 8
  return size >= smallestRsa ? { type: "RSA", size: Math.ceil(size) } : undefined
}

/** For a refusal: `EC P-256`, `RSA 2048`, or the number of a type we do not know. */
export const keyTypeName = (object: TokenObject, key: SigningKey | undefined): string => {
  if (key?.type === "EC") return `EC ${key.curve.name}`
  if (key?.type === "RSA") return `RSA ${key.size * 8}`
  if (object.keyType === CKK_EC) return "EC of an unknown curve"
  return object.keyType === CKK_RSA ? "RSA below 2048 bits" : `type ${object.keyType}`
}

/** What the key can sign with, the preferred one first. */
export const schemesOf = (key: SigningKey): ReadonlyArray<SignatureScheme> =>
  key.type === "EC" ? [ecSchemes[key.curve.name]] : rsaSchemes

const smallestRsa = 2048 / 8

const ecSchemes = {
  "P-256": "ecdsa_secp256r1_sha256",
  "P-384": "ecdsa_secp384r1_sha384",
  "P-521": "ecdsa_secp521r1_sha512"
} as const satisfies Record<EcCurve["name"], SignatureScheme>

const isScheme = (name: string): name is SignatureScheme => name in signatureSchemes
const rsaSchemes = Object.keys(signatureSchemes)
  .filter(isScheme)
  .filter((name) => name.startsWith("rsa_"))
