/**
 * The one class of errors of this library. `code` is stable, `hint` says what to do, `cause` is what was underneath.
 *
 * No property holds a PIN.
 */

/** Codes of this library's own. Beside them come Node's: `ECONNREFUSED`, `CERT_HAS_EXPIRED`, `ERR_SSL_…`. */
export type TokenErrorCode =
  /** An option is missing or cannot be used. */
  | "ERR_INVALID_OPTION"
  /** The text is not a valid PKCS#11 URI, or it cannot name a key. */
  | "ERR_URI_INVALID"
  /** The token was closed by this program. */
  | "ERR_TOKEN_CLOSED"
  | "ERR_TOKEN_NOT_FOUND"
  | "ERR_TOKEN_AMBIGUOUS"
  | "ERR_KEY_NOT_FOUND"
  | "ERR_PIN_MISSING"
  /** The PIN was refused, now or before; it is not tried again. */
  | "ERR_PIN_REFUSED"
  | "ERR_PIN_LOCKED"
  /** No login was made just now; it passes by itself. */
  | "ERR_LOGIN_DELAYED"
  | "ERR_MODULE_NOT_LOADED"
  /** A call of the module, or a signature for a handshake, took longer than it may. */
  | "ERR_TOKEN_TIMEOUT"
  /** The token was in use and is gone or broken. It heals by itself: try again. */
  | "ERR_TOKEN_UNAVAILABLE"
  /** The module answered with a code that says nothing else: see the message. */
  | "ERR_TOKEN_FAILED"
  | "ERR_SCHEME_NOT_SUPPORTED"
  | "ERR_PUBLIC_KEY_UNKNOWN"
  /** tedge-p11-server does not answer on its socket. */
  | "ERR_SERVICE_UNREACHABLE"
  /** tedge-p11-server refused the request; its words are in the message. */
  | "ERR_SERVICE_REFUSED"
  /** A `sign` function of the program failed: see `cause`. */
  | "ERR_SIGNER_FAILED"
  /** The signature is not one of this key for this message. It was not used. */
  | "ERR_SIGNATURE_INVALID"
  /** No certificate, or none for the key. */
  | "ERR_CERTIFICATE_INVALID"
  | "ERR_ADDON_NOT_LOADED"
  /** The server refused or broke the handshake without a more specific code. */
  | "ERR_TLS_HANDSHAKE"
  | "ERR_TLS_RECORD"
  /** An AbortSignal ended it. */
  | "ABORT_ERR"

export interface TokenErrorFacts {
  readonly hint?: string | undefined
  readonly cause?: unknown
  /** More properties, as Node's errors have them: `errno`, `syscall`, `address`, `port`. */
  readonly facts?: Readonly<Record<string, unknown>>
}

export class TokenError extends Error {
  override readonly name: string
  readonly code: TokenErrorCode | (string & Record<never, never>)
  /** What to do about it, where that is known. */
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
