/** Converts errors of a connection to errors of the library, with the codes of Node's tls and net. */

import { AddonNotLoaded } from "../messages/platform.ts"
import { errorCode } from "../platform/process/error-code.ts"
import { TlsError } from "../platform/tls/tls-error.ts"
import { errorOf } from "./refusals.ts"
import { TokenError } from "./token-error.ts"

/** An error of the program itself is passed on unchanged. */
export const connectionError = (error: Error): Error => {
  if (error instanceof TlsError) return tlsError(error)
  if (error instanceof AddonNotLoaded) return errorOf(error)
  const code = errorCode(error)
  return code !== undefined && "syscall" in error ? systemError(code, error) : error
}

const tlsError = (error: TlsError): TokenError => {
  const { code, reason, verifyCode, alert } = error
  switch (code) {
    case "ERR_TLS_SETTINGS":
      return new TokenError("ERR_CERTIFICATE_INVALID", `certificate or key cannot be used: ${reason}`, {
        hint: "cert must hold the certificate of the key's public half, ca the issuers of servers",
        cause: error
      })
    case "ERR_TLS_SIGN":
      return signError(error)
    case "ERR_TLS_TIMEOUT":
      return reason === "signing"
        ? new TokenError("ERR_TOKEN_TIMEOUT", "the key did not sign within the connection's timeout", { cause: error })
        : new TokenError("ETIMEDOUT", `the connection timed out (${reason})`, { cause: error })
    case "ECONNRESET":
      return new TokenError(
        "ECONNRESET",
        "Client network socket disconnected before secure TLS connection was established",
        { cause: error }
      )
    case "ERR_TLS_HANDSHAKE":
      if (verifyCode !== undefined) return untrusted(verifyCode, error)
      return new TokenError(alert === undefined ? code : opensslCode(reason), `the TLS handshake failed: ${reason}`, {
        hint: alert !== undefined && certificateAlerts.includes(alert) ? refusedHint : undefined,
        cause: error,
        facts: alert === undefined ? {} : { alert, reason }
      })
    case "ERR_TLS_RECORD":
      return new TokenError(alert === undefined ? code : opensslCode(reason), `the TLS connection broke: ${reason}`, {
        cause: error
      })
  }
}

const signError = (error: TlsError): TokenError => {
  const { reason, cause } = error
  switch (reason) {
    case "signatureMismatch":
      return new TokenError(
        "ERR_SIGNATURE_INVALID",
        "the signature does not verify with the certificate; it was not sent",
        {
          hint: "check that cert is the certificate of key",
          cause: error
        }
      )
    case "schemeUnknown":
      return new TokenError("ERR_SCHEME_NOT_SUPPORTED", "the server asks for an unknown signature scheme", {
        cause: error
      })
    case "notASignature":
      return new TokenError("ERR_SIGNER_FAILED", "the key's sign function did not answer with bytes", { cause: error })
    default:
      return cause instanceof TokenError
        ? new TokenError(cause.code, `the key did not sign for the connection: ${cause.message}`, {
            hint: cause.hint,
            cause
          })
        : new TokenError("ERR_SIGNER_FAILED", "the key did not sign for the connection", { cause })
  }
}

const untrusted = (verifyCode: number, error: TlsError): TokenError => {
  const code = nodeCodes[verifyCode] ?? "CERT_REJECTED"
  return new TokenError(code, `the server's certificate is not accepted: ${error.reason}`, {
    hint:
      code === "ERR_TLS_CERT_ALTNAME_INVALID"
        ? "servername must be a name of the server's certificate (subjectAltName)"
        : trustCodes.includes(code)
          ? "pass the CA certificate that issued the server's certificate as ca"
          : undefined,
    cause: error
  })
}

/** As Node converts OpenSSL's messages. */
const opensslCode = (reason: string): string => `ERR_SSL_${reason.toUpperCase().replaceAll(/[^A-Z0-9]+/g, "_")}`

const refusedHint = "the server refused the client certificate: check that it knows the CA that issued it"

/** RFC 8446, 6: bad, unsupported, revoked, expired, unknown certificate, unknown CA, access denied, certificate required. */
const certificateAlerts: ReadonlyArray<number> = [42, 43, 44, 45, 46, 48, 49, 116]

/** X509_V_ERR_ code -> Node's name of it (x509_vfy.h). */
const nodeCodes: Readonly<Record<number, string>> = {
  2: "UNABLE_TO_GET_ISSUER_CERT",
  7: "CERT_SIGNATURE_FAILURE",
  9: "CERT_NOT_YET_VALID",
  10: "CERT_HAS_EXPIRED",
  18: "DEPTH_ZERO_SELF_SIGNED_CERT",
  19: "SELF_SIGNED_CERT_IN_CHAIN",
  20: "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  21: "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  22: "CERT_CHAIN_TOO_LONG",
  23: "CERT_REVOKED",
  24: "INVALID_CA",
  25: "PATH_LENGTH_EXCEEDED",
  26: "INVALID_PURPOSE",
  27: "CERT_UNTRUSTED",
  28: "CERT_REJECTED",
  62: "ERR_TLS_CERT_ALTNAME_INVALID",
  64: "ERR_TLS_CERT_ALTNAME_INVALID"
}

const trustCodes: ReadonlyArray<string> = [
  "UNABLE_TO_GET_ISSUER_CERT",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE"
]

const systemError = (code: string, error: Error): TokenError => {
  const { message, stack: _stack, name: _name, ...facts } = error
  return new TokenError(code, message, { cause: error, facts })
}
