/**
 * From a message to what the token signs, and from what the token gives to a TLS signature.
 *
 * Messages are hashed here, not on the token: not every token can. No RSA mechanism is there on every token and
 * mechanism lists lie, so the candidates are tried in order; each gives the same kind of signature.
 * Source: RFC 8446, 4.2.3; RFC 8017, 9.2 (DigestInfo); RFC 3279, 2.2.3 (Ecdsa-Sig-Value).
 */
import { hash as digestOf } from "node:crypto"
import type { SignatureScheme } from "../../../messages/signature-scheme.ts"
import { sequence, unsignedInteger } from "./der.ts"
import type { SigningKey } from "./key-facts.ts"
import {
  CKG_MGF1_SHA256,
  CKG_MGF1_SHA384,
  CKG_MGF1_SHA512,
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
import type { MechanismCandidate } from "./values.ts"

/** The mechanisms that make a signature of this scheme, in the order to try them. */
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

/** The token's bytes as TLS wants them; undefined when they cannot be a signature of this key. */
export const tlsSignature = (key: SigningKey, raw: Uint8Array): Uint8Array | undefined => {
  if (key.type === "RSA") return raw.length === key.size ? raw : undefined
  const { size } = key.curve
  if (raw.length !== 2 * size) return undefined
  const [r, s] = [raw.subarray(0, size), raw.subarray(size)]
  return isZero(r) || isZero(s) ? undefined : sequence(unsignedInteger(r), unsignedInteger(s))
}

const isZero = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0)

type Hash = "sha256" | "sha384" | "sha512"

const makings: Record<SignatureScheme, { readonly kind: "ecdsa" | "pss" | "pkcs1"; readonly hash: Hash }> = {
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
