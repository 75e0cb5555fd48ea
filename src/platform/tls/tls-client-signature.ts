/**
 * Requests the client's signature for a handshake, and verifies it with the certificate's public key before it is used.
 *
 * A wrong key in the token is reported here instead of as an alert of the server; and a faulty signature, which can
 * reveal a private key, is never sent.
 */
import { constants, type KeyObject, verify } from "node:crypto"
import { type SignFailure, TlsError } from "./tls-error.ts"

/**
 * `scheme`: IANA SignatureScheme (RFC 8446, 4.2.3). `message`: the unhashed bytes.
 * Returns a DER Ecdsa-Sig-Value (RFC 3279, 2.2.3) or the raw RSA signature.
 */
export type TlsSigner = (scheme: number, message: Uint8Array, abort: AbortSignal) => Promise<Uint8Array>

/** Rejects with a TlsError ERR_TLS_SIGN, whatever the signer does. */
export const clientSignature = async (
  request: { readonly scheme: number; readonly message: Uint8Array },
  certificateKey: KeyObject,
  sign: TlsSigner,
  abort: AbortSignal
): Promise<Buffer> => {
  if (!checks.has(request.scheme)) throw failure("schemeUnknown")
  const signature = await askSigner(request, sign, abort)
  if (!(signature instanceof Uint8Array) || signature.length === 0 || signature.length > longestSignature)
    throw failure("notASignature")
  if (!isSignatureOf(request, certificateKey, signature)) throw failure("signatureMismatch")
  return Buffer.from(signature)
}

/** Whether the signature verifies with this key and message. False for an unknown scheme. */
export const isSignatureOf = (
  { scheme, message }: { readonly scheme: number; readonly message: Uint8Array },
  key: KeyObject,
  signature: Uint8Array
): boolean => {
  const check = checks.get(scheme)
  return check !== undefined && confirms(check, message, key, signature)
}

const askSigner = async (
  request: { readonly scheme: number; readonly message: Uint8Array },
  sign: TlsSigner,
  abort: AbortSignal
): Promise<unknown> => {
  try {
    return await sign(request.scheme, request.message, abort)
  } catch (cause) {
    throw failure("refused", cause)
  }
}

const failure = (reason: SignFailure, cause?: unknown) =>
  new TlsError("ERR_TLS_SIGN", reason, cause === undefined ? {} : { cause })

interface Check {
  readonly digest: string | undefined
  readonly padding?: number
}

const confirms = (check: Check, message: Uint8Array, key: KeyObject, signature: Uint8Array): boolean => {
  const { digest, padding } = check
  const parameters = padding === undefined ? { key } : { key, padding, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
  try {
    return verify(digest, message, parameters, signature)
  } catch {
    return false // the key's type does not fit the scheme: a mismatch
  }
}

const pss = constants.RSA_PKCS1_PSS_PADDING
const pkcs1 = constants.RSA_PKCS1_PADDING

const checks: ReadonlyMap<number, Check> = new Map<number, Check>([
  [0x0403, { digest: "sha256" }],
  [0x0503, { digest: "sha384" }],
  [0x0603, { digest: "sha512" }],
  [0x0804, { digest: "sha256", padding: pss }],
  [0x0805, { digest: "sha384", padding: pss }],
  [0x0806, { digest: "sha512", padding: pss }],
  [0x0401, { digest: "sha256", padding: pkcs1 }],
  [0x0501, { digest: "sha384", padding: pkcs1 }],
  [0x0601, { digest: "sha512", padding: pkcs1 }],
  [0x0807, { digest: undefined }]
])

/** RSA with 8192 bits. */
const longestSignature = 1024
