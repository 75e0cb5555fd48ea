/**
 * What ends a TLS connection, as an Error with a code: the language of Node's streams.
 *
 * Trouble with the socket itself comes as Node's own errors (ECONNREFUSED, ECONNRESET, EPIPE ...).
 */

import { messageOf } from "../process/error-code.ts"
import type { TlsFailureFacts } from "./tls-addon.ts"

type TlsErrorCode =
  /** Certificates, names or versions that cannot be used; nothing was sent. */
  | "ERR_TLS_SETTINGS"
  /** There is no signature to show. `reason` is a SignFailure, `cause` what the signer said. */
  | "ERR_TLS_SIGN"
  /** Also a refusal that arrives after the handshake, as TLS 1.3 servers send it for the client's certificate. */
  | "ERR_TLS_HANDSHAKE"
  /** A broken record or an alert when data had been flowing. */
  | "ERR_TLS_RECORD"
  /** `reason` says where the time went: `dialling`, `handshake` or `signing`. */
  | "ERR_TLS_TIMEOUT"
  /** The server closed the connection before the handshake was complete. `reason` as for the timeout. */
  | "ECONNRESET"

export type SignFailure =
  /** The signer refused. */
  | "refused"
  /** Not bytes, none, or too many. */
  | "notASignature"
  /** A valid signature of another key, or of another message. */
  | "signatureMismatch"
  /** OpenSSL asked for a scheme we cannot check. */
  | "schemeUnknown"

export class TlsError extends Error {
  override readonly name = "TlsError"
  readonly code: TlsErrorCode
  /** OpenSSL's own words, or one of ours (see TlsErrorCode). */
  readonly reason: string
  /** X509_V_ERR_ code, when the server's certificate is the reason. */
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

/** What the add-on throws at settings it cannot use, as ours. */
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
