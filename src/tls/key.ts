/**
 * Signing keys, for connections, agents, JWTs and CSRs: a key of a token, or any object with a public key and a signing
 * function, such as a cloud's key service or a card with its own protocol.
 */
import { createPublicKey, KeyObject } from "node:crypto"
import { rsaSchemes, signatureSchemes } from "../messages/signature-scheme.ts"
import { messageOf } from "../platform/process/error-code.ts"
import { isSignatureOf } from "../platform/tls/tls-client-signature.ts"
import { invalidOption, TokenError } from "./token-error.ts"

/** TLS SignatureScheme by its name (RFC 8446, 4.2.3). It fixes algorithm, hash and padding. */
export type SignatureScheme =
  | "ecdsa_secp256r1_sha256"
  | "ecdsa_secp384r1_sha384"
  | "ecdsa_secp521r1_sha512"
  | "rsa_pss_rsae_sha256"
  | "rsa_pss_rsae_sha384"
  | "rsa_pss_rsae_sha512"
  | "rsa_pkcs1_sha256"
  | "rsa_pkcs1_sha384"
  | "rsa_pkcs1_sha512"
  | "ed25519"

export interface SignOptions {
  /** Ends the wait; a signature in progress in a module is left to finish. */
  readonly signal?: AbortSignal | undefined
}

/** Anything that can sign. */
export interface SigningKey {
  /** A KeyObject, or PEM text. */
  readonly publicKey: KeyObject | string
  /**
   * Signs the message itself, not its hash. ECDSA: DER Ecdsa-Sig-Value, as OpenSSL and cloud key services return it.
   * RSA: as long as the modulus; PSS with a salt as long as the hash. The signature is verified before it is used.
   */
  sign(scheme: SignatureScheme, message: Uint8Array, options: SignOptions): Promise<Uint8Array> | Uint8Array
}

/** A key in a token. It remains valid when the token is unplugged and plugged in again. */
export interface TokenKey extends SigningKey {
  /** RFC 7512, without a PIN. Names the key by the token's serial and the key's id. */
  readonly uri: string
  readonly publicKey: KeyObject
  /** Its signature schemes, the preferred first. */
  readonly schemes: ReadonlyArray<SignatureScheme>
  /** Never blocks the event loop. Rejects with a TokenError. */
  sign(scheme: SignatureScheme, message: Uint8Array, options?: SignOptions): Promise<Buffer>
}

/** Throws a TokenError. */
export const publicKeyOf = (key: SigningKey): KeyObject => {
  const given: unknown = key?.publicKey
  if (typeof key?.sign !== "function")
    throw invalidOption("the key option must be a key of a token, or { publicKey, sign }")
  if (given instanceof KeyObject && given.type === "public") return given
  try {
    return createPublicKey(given as string)
  } catch (cause) {
    throw new TokenError("ERR_INVALID_OPTION", "publicKey of the key is neither a KeyObject nor a public key in PEM", {
      cause
    })
  }
}

/** The schemes of a key of this type, the preferred first. Empty: none that TLS supports. */
export const schemesFor = ({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): ReadonlyArray<SignatureScheme> => {
  switch (asymmetricKeyType) {
    case "ec":
      return curves[asymmetricKeyDetails?.namedCurve ?? ""] ?? []
    case "rsa":
      return rsaSchemes
    case "ed25519":
      return ["ed25519"]
    default:
      return []
  }
}

const curves: Readonly<Record<string, ReadonlyArray<SignatureScheme>>> = {
  prime256v1: ["ecdsa_secp256r1_sha256"],
  secp384r1: ["ecdsa_secp384r1_sha384"],
  secp521r1: ["ecdsa_secp521r1_sha512"]
}

const codes: Readonly<Record<SignatureScheme, number>> = { ...signatureSchemes, ed25519: 0x0807 }

/** Undefined: an unknown scheme. */
export const schemeNamed = (code: number): SignatureScheme | undefined =>
  (Object.keys(codes) as ReadonlyArray<SignatureScheme>).find((name) => codes[name] === code)

/** Signs, and returns only a signature that verifies with this key and message. Rejects with a TokenError. */
export const verifiedSignature = async (
  key: SigningKey,
  scheme: SignatureScheme,
  message: Uint8Array,
  options: SignOptions
): Promise<Buffer> => {
  const publicKey = publicKeyOf(key)
  const signature = await askedToSign(key, scheme, message, options)
  if (!isSignatureOf({ scheme: codes[scheme], message }, publicKey, signature)) throw wrongSignature()
  return Buffer.from(signature)
}

export const wrongSignature = (): TokenError =>
  new TokenError("ERR_SIGNATURE_INVALID", "the signature does not verify with the public key; it was not used", {
    hint: "check that the key signs the message itself, with the scheme asked for, and answers DER for ECDSA"
  })

const askedToSign = async (
  key: SigningKey,
  scheme: SignatureScheme,
  message: Uint8Array,
  options: SignOptions
): Promise<Uint8Array> => {
  const signature: unknown = await callSigner(key, scheme, message, options)
  if (signature instanceof Uint8Array) return signature
  throw new TokenError("ERR_SIGNER_FAILED", "the key's sign function did not answer with bytes")
}

/** Converts errors of a program's own function to one class. */
export const callSigner = async (
  key: SigningKey,
  scheme: SignatureScheme,
  message: Uint8Array,
  options: SignOptions
): Promise<Uint8Array> => {
  try {
    return await key.sign(scheme, message, options)
  } catch (cause) {
    if (cause instanceof TokenError) throw cause
    const detail = messageOf(cause)
    throw new TokenError("ERR_SIGNER_FAILED", `the key's sign function failed: ${detail}`, { cause })
  }
}
