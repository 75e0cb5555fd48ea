/** JSON Web Tokens signed with an external key. Source: RFC 7515 (JWS, compact), RFC 7518 (algorithms), RFC 7519. */
import {
  publicKeyOf,
  type SignatureScheme,
  type SigningKey,
  type SignOptions,
  schemesFor,
  verifiedSignature
} from "./key.ts"
import { invalidOption, TokenError } from "./token-error.ts"

export type JwtAlgorithm = "ES256" | "RS256" | "PS256"

export interface JwtOptions extends SignOptions {
  /** Default: ES256 for a P-256 key, RS256 for an RSA key. */
  readonly algorithm?: JwtAlgorithm | undefined
  /** More header fields: `kid`, `x5t#S256`, `x5c`. */
  readonly header?: Readonly<Record<string, unknown>> | undefined
}

/**
 * Returns the token in its compact form. The claims are encoded unchanged: the caller sets `iat` and `exp`, in seconds.
 * Rejects with a TokenError.
 */
export const signJwt = async (
  key: SigningKey,
  claims: Readonly<Record<string, unknown>>,
  options: JwtOptions = {}
): Promise<string> => {
  const usable = schemesFor(publicKeyOf(key))
  const algorithm = options.algorithm ?? defaults.find((name) => usable.includes(schemes[name]))
  const scheme = algorithm === undefined ? undefined : schemes[algorithm]
  if (algorithm === undefined || scheme === undefined || !usable.includes(scheme))
    throw new TokenError("ERR_SCHEME_NOT_SUPPORTED", `the key does not sign ${algorithm ?? "JSON Web Tokens"}`, {
      hint: "ES256 needs a P-256 key; RS256 and PS256 need an RSA key"
    })
  if (typeof claims !== "object" || claims === null) throw invalidOption("the claims must be an object")
  const input = `${part({ typ: "JWT", ...options.header, alg: algorithm })}.${part(claims)}`
  const signature = await verifiedSignature(key, scheme, Buffer.from(input), options)
  return `${input}.${(algorithm === "ES256" ? concatenated(signature, 32) : signature).toString("base64url")}`
}

const schemes: Readonly<Record<JwtAlgorithm, SignatureScheme>> = {
  ES256: "ecdsa_secp256r1_sha256",
  RS256: "rsa_pkcs1_sha256",
  PS256: "rsa_pss_rsae_sha256"
}
const defaults: ReadonlyArray<JwtAlgorithm> = ["ES256", "RS256"]

const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url")

/** DER Ecdsa-Sig-Value, verified before, to r and s concatenated (RFC 7518, 3.4). Short form lengths: P-256. */
const concatenated = (der: Buffer, size: number): Buffer => {
  const rLength = der[3] ?? 0
  const r = der.subarray(4, 4 + rLength)
  const s = der.subarray(4 + rLength + 2)
  return Buffer.concat(
    [r, s].map((integer) =>
      integer.length > size
        ? integer.subarray(integer.length - size)
        : Buffer.concat([Buffer.alloc(size - integer.length), integer])
    )
  )
}
