/**
 * The error class of this library. `code` is stable, `hint` says what to do, `cause` is the underlying error.
 *
 * No property holds a PIN.
 */

/** Codes of this library. Node's codes are used besides: `ECONNREFUSED`, `CERT_HAS_EXPIRED`, `ERR_SSL_…`. */
export type TokenErrorCode =
  /** An option is missing or invalid. */
  | "ERR_INVALID_OPTION"
  /** The text is not a valid PKCS#11 URI, or it cannot name a key. */
  | "ERR_URI_INVALID"
  /** The token was closed by this program. */
  | "ERR_TOKEN_CLOSED"
  | "ERR_TOKEN_NOT_FOUND"
  | "ERR_TOKEN_AMBIGUOUS"
  | "ERR_KEY_NOT_FOUND"
  | "ERR_PIN_MISSING"
  /** The PIN was refused, now or before; it is not retried. */
  | "ERR_PIN_REFUSED"
  | "ERR_PIN_LOCKED"
  /** The login is delayed temporarily. */
  | "ERR_LOGIN_DELAYED"
  | "ERR_MODULE_NOT_LOADED"
  /** A call of the module, or a signature for a handshake, exceeded its time limit. */
  | "ERR_TOKEN_TIMEOUT"
  /** The token was in use and is unavailable. It recovers automatically: try again. */
  | "ERR_TOKEN_UNAVAILABLE"
  /** The module returned an unexpected code: see the message. */
  | "ERR_TOKEN_FAILED"
  | "ERR_SCHEME_NOT_SUPPORTED"
  | "ERR_PUBLIC_KEY_UNKNOWN"
  /** tedge-p11-server does not respond on its socket. */
  | "ERR_SERVICE_UNREACHABLE"
  /** tedge-p11-server refused the request; its message is included. */
  | "ERR_SERVICE_REFUSED"
  /** A `sign` function of the program failed: see `cause`. */
  | "ERR_SIGNER_FAILED"
  /** The signature does not verify with this key and message. It was not used. */
  | "ERR_SIGNATURE_INVALID"
  /** No certificate, or none for the key. */
  | "ERR_CERTIFICATE_INVALID"
  | "ERR_ADDON_NOT_LOADED"
  /** The server refused or broke the handshake without a more specific code. */
  | "ERR_TLS_HANDSHAKE"
  | "ERR_TLS_RECORD"
  /** Aborted by an AbortSignal. */
  | "ABORT_ERR"

export interface TokenErrorFacts {
  readonly hint?: string | undefined
  readonly cause?: unknown
  /** More properties, as in Node's errors: `errno`, `syscall`, `address`, `port`. */
  readonly facts?: Readonly<Record<string, unknown>>
}

export class TokenError extends Error {
  override readonly name: string
  readonly code: TokenErrorCode | (string & Record<never, never>)
  /** What to do about it, if known. */
  readonly hint: string | undefined

  constructor(code: TokenError["code"], message: string, { hint, cause, facts }: TokenErrorFacts = {}) {
    super(message, cause === undefined ? undefined : { cause })
    Object.assign(this, facts)
    this.name = code === "ABORT_ERR" ? "AbortError" : "TokenError"
    this.code = code
    this.hint = hint
  }
}

export const invalidOption = (message: string, hint?: string): TokenError =>
  new TokenError("ERR_INVALID_OPTION", message, { hint })

export const aborted = (signal: AbortSignal | undefined): TokenError =>
  new TokenError("ABORT_ERR", "the operation was aborted", { cause: signal?.reason })
