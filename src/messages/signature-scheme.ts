/**
 * TLS signature schemes, negotiated by a handshake and used by a token.
 *
 * Source: RFC 8446, section 4.2.3 (names and code points).
 */

/** Name -> IANA code point, in order of preference for one key. */
export const signatureSchemes = {
  ecdsa_secp256r1_sha256: 0x0403,
  ecdsa_secp384r1_sha384: 0x0503,
  ecdsa_secp521r1_sha512: 0x0603,
  rsa_pss_rsae_sha256: 0x0804,
  rsa_pss_rsae_sha384: 0x0805,
  rsa_pss_rsae_sha512: 0x0806,
  rsa_pkcs1_sha256: 0x0401,
  rsa_pkcs1_sha384: 0x0501,
  rsa_pkcs1_sha512: 0x0601
} as const

export type SignatureScheme = keyof typeof signatureSchemes

/** In the order of the table. */
export const allSchemes = Object.keys(signatureSchemes) as ReadonlyArray<SignatureScheme>

/** TLS SignatureAlgorithm (RFC 5246, 7.4.1.4.1) of a key, as the wire protocol names it. */
export type KeyAlgorithm = "RSA" | "ECDSA"

const byCodePoint = new Map<number, SignatureScheme>(allSchemes.map((name) => [signatureSchemes[name], name]))

/** The scheme of a code point; undefined for an unknown one (never replaced by another). */
export const schemeOf = (codePoint: number): SignatureScheme | undefined => byCodePoint.get(codePoint)

export const rsaSchemes = allSchemes.filter((name) => name.startsWith("rsa_"))
