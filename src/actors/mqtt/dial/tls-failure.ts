/**
 * Classifies a failed TLS handshake, from the errors of Node's tls and the add-on.
 *
 * Both are OpenSSL: Node reports strings (`code`, `reason`, the alert's number in the message), the add-on numbers.
 * Sources: RFC 8446, section 6 (alerts); OpenSSL, X509_STORE_CTX_get_error(3).
 */
import { type DialFailed, TlsFailed } from "../../../messages/mqtt.ts"

type Reason = TlsFailed["reason"]

/** Undefined: a failure of the network, not of TLS. */
export const tlsFailure = (
  error: Error,
  { host, port, cloud }: Pick<DialFailed, "host" | "port"> & Pick<TlsFailed, "cloud">
): TlsFailed | undefined => {
  const facts = factsOf(error)
  const reason = byAlert(facts) ?? byVerification(facts) ?? byWords(facts)
  return reason === undefined ? undefined : new TlsFailed({ host, port, reason, detail: facts.words, cloud })
}

interface Facts {
  readonly code: string
  /** OpenSSL's message. */
  readonly words: string
  readonly alert: number | undefined
  readonly verifyCode: number | undefined
  readonly isTls: boolean
}

const factsOf = (error: Error): Facts => {
  const code = text(error, "code")
  const words = text(error, "reason") || error.message
  const alert = number(error, "alert") ?? alertIn(error.message)
  const verifyCode = number(error, "verifyCode")
  const isTls = code === "EPROTO" || code.startsWith("ERR_SSL_") || code.startsWith("ERR_TLS_")
  return { code, words, alert, verifyCode, isTls }
}

const text = (error: Error, field: string): string => {
  const value: unknown = Reflect.get(error, field)
  return typeof value === "string" ? value : ""
}

const number = (error: Error, field: string): number | undefined => {
  const value: unknown = Reflect.get(error, field)
  return typeof value === "number" && value > 0 ? value : undefined
}

/** Node: "...:tlsv13 alert certificate required:...:SSL alert number 116". */
const alertIn = (message: string): number | undefined => {
  const found = /SSL alert number (\d+)/.exec(message)?.[1]
  return found === undefined ? undefined : Number(found)
}

/** RFC 8446, section 6; 43 to 49 concern the certificate we sent. */
const alerts: Readonly<Record<number, Reason>> = {
  40: "handshakeRefused",
  42: "certificateRefused",
  43: "certificateRefused",
  44: "certificateRefused",
  45: "certificateExpired",
  46: "certificateRefused",
  48: "certificateRefused",
  49: "certificateRefused",
  51: "signatureMismatch",
  70: "protocolVersion",
  71: "handshakeRefused",
  116: "certificateRequired"
}

const byAlert = ({ alert }: Facts): Reason | undefined => (alert === undefined ? undefined : (alerts[alert] ?? "other"))

/** X509_V_ERR_*; all others mean that no trusted certificate issued the server's. */
const verifyCodes: Readonly<Record<number, Reason>> = {
  9: "serverCertificateNotYetValid",
  10: "serverCertificateExpired",
  26: "serverCertificateUnfit",
  28: "serverCertificateUnfit",
  66: "serverCertificateUnfit",
  67: "serverCertificateUnfit",
  68: "serverCertificateUnfit",
  62: "hostMismatch",
  63: "hostMismatch",
  64: "hostMismatch"
}

const verifyWords: Readonly<Record<string, Reason>> = {
  CERT_NOT_YET_VALID: "serverCertificateNotYetValid",
  CERT_HAS_EXPIRED: "serverCertificateExpired",
  ERR_TLS_CERT_ALTNAME_INVALID: "hostMismatch",
  HOSTNAME_MISMATCH: "hostMismatch",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "serverNotTrusted",
  UNABLE_TO_GET_ISSUER_CERT: "serverNotTrusted",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "serverNotTrusted",
  UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY: "serverNotTrusted",
  DEPTH_ZERO_SELF_SIGNED_CERT: "serverNotTrusted",
  SELF_SIGNED_CERT_IN_CHAIN: "serverNotTrusted",
  CERT_SIGNATURE_FAILURE: "serverNotTrusted",
  CERT_CHAIN_TOO_LONG: "serverNotTrusted",
  CERT_REVOKED: "serverNotTrusted",
  CERT_REJECTED: "serverCertificateUnfit",
  CERT_UNTRUSTED: "serverNotTrusted",
  INVALID_CA: "serverNotTrusted",
  INVALID_PURPOSE: "serverCertificateUnfit",
  PATH_LENGTH_EXCEEDED: "serverNotTrusted",
  CA_MD_TOO_WEAK: "serverCertificateUnfit",
  EE_KEY_TOO_SMALL: "serverCertificateUnfit",
  CA_KEY_TOO_SMALL: "serverCertificateUnfit"
}

const byVerification = ({ code, verifyCode }: Facts): Reason | undefined =>
  verifyCode === undefined ? verifyWords[code] : (verifyCodes[verifyCode] ?? "serverNotTrusted")

const byWords = ({ words, isTls }: Facts): Reason | undefined => {
  if (!isTls) return undefined
  if (/wrong version number|unknown protocol|http request|packet length too long|not tls/i.test(words)) return "notTls"
  if (/unsupported protocol|no protocols available|protocol version/i.test(words)) return "protocolVersion"
  if (/signature/i.test(words)) return "signatureMismatch"
  if (/certificate verify failed/i.test(words)) return "serverNotTrusted"
  return "other"
}
