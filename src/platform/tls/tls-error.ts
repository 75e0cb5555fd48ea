/**
 * Errors of a TLS connection, with a code, as Node's streams have them.
 *
 * Socket errors are Node's own (ECONNREFUSED, ECONNRESET, EPIPE ...).
 */

import { messageOf } from "../process/error-code.ts"
import type { TlsFailureFacts } from "./tls-addon.ts"

type TlsErrorCode =
  /** Invalid certificates, names or versions; nothing was sent. */
  | "ERR_TLS_SETTINGS"
  /** No signature. `reason` is a SignFailure, `cause` the signer's error. */
  | "ERR_TLS_SIGN"
  /** Also a rejection after the handshake, as TLS 1.3 servers send it for the client's certificate. */
  | "ERR_TLS_HANDSHAKE"
  /** An invalid record or an alert after the handshake. */
  | "ERR_TLS_RECORD"
  /** `reason`: `dialling`, `handshake` or `signing`. */
  | "ERR_TLS_TIMEOUT"
  /** The server closed the connection before the handshake was complete. `reason` as for the timeout. */
  | "ECONNRESET"

export type SignFailure =
  /** The signer refused. */
  | "refused"
  /** Not bytes, empty, or too long. */
  | "notASignature"
  /** A valid signature by another key, or of another message. */
  | "signatureMismatch"
  /** OpenSSL asked for a scheme we cannot check. */
  | "schemeUnknown"

export class TlsError extends Error {
  override readonly name = "TlsError"
  readonly code: TlsErrorCode
  /** OpenSSL's message, or ours (see TlsErrorCode). */
  readonly reason: string
  /** X509_V_ERR_ code, if the server's certificate is the reason. */
  readonly verifyCode: number | undefined
  /** AlertDescription the server sent (RFC 8446, 6). */
  readonly alert: number | undefined

  constructor(
    code: TlsErrorCode,
    reason: string,
    facts: { verifyCode?: number; alert?: number; cause?: unknown } = {}
  ) {
    super(`${code}: ${reason}`, "cause" in facts ? { cause: facts.cause } : undefined)
    this.code = code
    this.reason = reason
    this.verifyCode = facts.verifyCode
    this.alert = facts.alert
  }
}

/** Converts an error that the add-on throws for settings it rejects. */
export const orTlsError = <A>(use: () => A): A => {
  try {
    return use()
  } catch (cause) {
    throw new TlsError("ERR_TLS_SETTINGS", messageOf(cause), { cause })
  }
}

export const failedTls = (code: "ERR_TLS_HANDSHAKE" | "ERR_TLS_RECORD", facts: TlsFailureFacts): TlsError =>
  new TlsError(code, facts.verifyText === "" ? facts.reason : `${facts.reason}: ${facts.verifyText}`, {
    ...(facts.verifyCode === 0 ? {} : { verifyCode: facts.verifyCode }),
    ...(facts.alert < 0 ? {} : { alert: facts.alert })
  })
