/**
 * What a private key can sign, from a message to the token's input, and from the token's output to a TLS signature.
 *
 * Messages are hashed here, as not every token can. No RSA mechanism is supported by every token and
 * mechanism lists are unreliable, so the candidates are tried in order; each produces the same kind of signature.
 * Source: RFC 8446, 4.2.3; RFC 8017, 9.2 (DigestInfo); RFC 3279, 2.2.3 (Ecdsa-Sig-Value).
 */
import { createPublicKey, hash as digestOf } from "node:crypto"
import { rsaSchemes, type SignatureScheme } from "../../../messages/signature-scheme.ts"
import { sequence, unsignedInteger } from "./der.ts"
import { curveNamed, curveOf, type EcCurve } from "./ec-curve.ts"
import {
  CKG_MGF1_SHA256,
  CKG_MGF1_SHA384,
  CKG_MGF1_SHA512,
  CKK_EC,
  CKK_RSA,
  CKM_ECDSA,
  CKM_RSA_PKCS,
  CKM_RSA_PKCS_PSS,
  CKM_SHA256,
  CKM_SHA256_RSA_PKCS_PSS,
  CKM_SHA384,
  CKM_SHA384_RSA_PKCS_PSS,
  CKM_SHA512,
  CKM_SHA512_RSA_PKCS_PSS
} from "./pkcs11-constants.ts"
import type { MechanismCandidate, PublicKeyMaterial, TokenObject } from "./values.ts"

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

/** For a refusal: `EC P-256`, `RSA 2048`, or the number of an unknown type. */
export const keyTypeName = (object: TokenObject, key: SigningKey | undefined): string => {
  if (key?.type === "EC") return `EC ${key.curve.name}`
  if (key?.type === "RSA") return `RSA ${key.size * 8}`
  if (object.keyType === CKK_EC) return "EC of an unknown curve"
  return object.keyType === CKK_RSA ? "RSA below 2048 bits" : `type ${object.keyType}`
}

/** The schemes of the key, the preferred one first. */
export const schemesOf = (key: SigningKey): ReadonlyArray<SignatureScheme> =>
  key.type === "EC" ? [ecSchemes[key.curve.name]] : rsaSchemes

const smallestRsa = 2048 / 8

const ecSchemes = {
  "P-256": "ecdsa_secp256r1_sha256",
  "P-384": "ecdsa_secp384r1_sha384",
  "P-521": "ecdsa_secp521r1_sha512"
} as const satisfies Record<EcCurve["name"], SignatureScheme>

/** The mechanisms for a signature of this scheme, in the order to try them. */
export const mechanismCandidates = (
  scheme: SignatureScheme,
  message: Uint8Array
): ReadonlyArray<MechanismCandidate> => {
  const { kind, hash } = makings[scheme]
  const { pss, digestInfo, ...numbers } = hashes[hash]
  const digest = digestOf(hash, message, "buffer")
  switch (kind) {
    case "ecdsa":
      return [{ mechanism: CKM_ECDSA, pss: undefined, input: digest }]
    case "pkcs1":
      return [{ mechanism: CKM_RSA_PKCS, pss: undefined, input: Buffer.concat([digestInfo, digest]) }]
    case "pss": {
      // RFC 8446, 4.2.3: the salt is as long as the hash.
      const parameters = { ...numbers, saltLength: digest.length }
      return [
        { mechanism: pss, pss: parameters, input: message },
        { mechanism: CKM_RSA_PKCS_PSS, pss: parameters, input: digest }
      ]
    }
  }
}

/** The token's output in TLS's encoding; undefined: not a possible signature of this key. */
export const tlsSignature = (key: SigningKey, raw: Uint8Array): Uint8Array | undefined => {
  if (key.type === "RSA") return raw.length === key.size ? raw : undefined
  const { size } = key.curve
  if (raw.length !== 2 * size) return undefined
  const [r, s] = [raw.subarray(0, size), raw.subarray(size)]
  return isZero(r) || isZero(s) ? undefined : sequence(unsignedInteger(r), unsignedInteger(s))
}

const isZero = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0)

const makings: Record<
  SignatureScheme,
  { readonly kind: "ecdsa" | "pss" | "pkcs1"; readonly hash: "sha256" | "sha384" | "sha512" }
> = {
  ecdsa_secp256r1_sha256: { kind: "ecdsa", hash: "sha256" },
  ecdsa_secp384r1_sha384: { kind: "ecdsa", hash: "sha384" },
  ecdsa_secp521r1_sha512: { kind: "ecdsa", hash: "sha512" },
  rsa_pss_rsae_sha256: { kind: "pss", hash: "sha256" },
  rsa_pss_rsae_sha384: { kind: "pss", hash: "sha384" },
  rsa_pss_rsae_sha512: { kind: "pss", hash: "sha512" },
  rsa_pkcs1_sha256: { kind: "pkcs1", hash: "sha256" },
  rsa_pkcs1_sha384: { kind: "pkcs1", hash: "sha384" },
  rsa_pkcs1_sha512: { kind: "pkcs1", hash: "sha512" }
}

/** `digestInfo`: the DER in front of the digest (RFC 8017, 9.2, note 1). */
const hashes = {
  sha256: {
    pss: CKM_SHA256_RSA_PKCS_PSS,
    hash: CKM_SHA256,
    mgf: CKG_MGF1_SHA256,
    digestInfo: Buffer.from("3031300d060960864801650304020105000420", "hex")
  },
  sha384: {
    pss: CKM_SHA384_RSA_PKCS_PSS,
    hash: CKM_SHA384,
    mgf: CKG_MGF1_SHA384,
    digestInfo: Buffer.from("3041300d060960864801650304020205000430", "hex")
  },
  sha512: {
    pss: CKM_SHA512_RSA_PKCS_PSS,
    hash: CKM_SHA512,
    mgf: CKG_MGF1_SHA512,
    digestInfo: Buffer.from("3051300d060960864801650304020305000440", "hex")
  }
} as const
