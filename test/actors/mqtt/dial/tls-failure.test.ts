/** What failed handshakes are taken for. The texts are OpenSSL's, as Node 20 to 24 and our add-on give them. */
import { describe, expect, it } from "vitest"
import { tlsFailure } from "../../../../src/actors/mqtt/dial/tls-failure.ts"

const place = { host: "cloud.example", port: 8883 }

const node = (code: string, reason: string, message = reason) => Object.assign(new Error(message), { code, reason })

const addon = (reason: string, facts: { readonly alert?: number; readonly verifyCode?: number } = {}) =>
  Object.assign(new Error(`ERR_TLS_HANDSHAKE: ${reason}`), { code: "ERR_TLS_HANDSHAKE", reason, ...facts })

describe("a failed TLS handshake", () => {
  it.each([
    [node("DEPTH_ZERO_SELF_SIGNED_CERT", "", "self-signed certificate"), "serverNotTrusted"],
    [node("UNABLE_TO_GET_ISSUER_CERT_LOCALLY", ""), "serverNotTrusted"],
    [node("CERT_HAS_EXPIRED", ""), "serverCertificateExpired"],
    [node("CERT_NOT_YET_VALID", ""), "serverCertificateNotYetValid"],
    [node("ERR_TLS_CERT_ALTNAME_INVALID", "Host: a. is not in the cert's altnames"), "hostMismatch"],
    [
      addon("certificate verify failed: unable to get local issuer certificate", { verifyCode: 20 }),
      "serverNotTrusted"
    ],
    [addon("certificate verify failed: certificate has expired", { verifyCode: 10 }), "serverCertificateExpired"],
    [addon("certificate verify failed: hostname mismatch", { verifyCode: 62 }), "hostMismatch"],
    [addon("certificate verify failed: IP address mismatch", { verifyCode: 64 }), "hostMismatch"],
    [node("EE_KEY_TOO_SMALL", "EE certificate key too weak"), "serverCertificateUnfit"],
    [node("CA_MD_TOO_WEAK", "CA signature digest algorithm too weak"), "serverCertificateUnfit"],
    [node("INVALID_PURPOSE", "a CA certificate is not a server certificate"), "serverCertificateUnfit"],
    [addon("certificate verify failed: EE certificate key too weak", { verifyCode: 66 }), "serverCertificateUnfit"],
    [addon("certificate verify failed: certificate rejected", { verifyCode: 28 }), "serverCertificateUnfit"],
    [
      node(
        "ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED",
        "tlsv13 alert certificate required",
        "error:0A00045C:SSL routines:ssl3_read_bytes:tlsv13 alert certificate required:../x.c:1590:SSL alert number 116"
      ),
      "certificateRequired"
    ],
    [
      node(
        "ERR_SSL_TLSV1_ALERT_UNKNOWN_CA",
        "tlsv1 alert unknown ca",
        "x:tlsv1 alert unknown ca:y:SSL alert number 48"
      ),
      "certificateRefused"
    ],
    [addon("sslv3 alert certificate unknown", { alert: 46 }), "certificateRefused"],
    [addon("sslv3 alert certificate revoked", { alert: 44 }), "certificateRefused"],
    [addon("sslv3 alert certificate expired", { alert: 45 }), "certificateExpired"],
    [addon("sslv3 alert handshake failure", { alert: 40 }), "handshakeRefused"],
    [addon("tlsv1 alert decrypt error", { alert: 51 }), "signatureMismatch"],
    [node("EPROTO", "tlsv1 alert protocol version", "x:SSL alert number 70"), "protocolVersion"],
    [node("ERR_SSL_UNSUPPORTED_PROTOCOL", "unsupported protocol"), "protocolVersion"],
    [addon("wrong version number"), "notTls"],
    [node("ERR_SSL_WRONG_VERSION_NUMBER", "wrong version number"), "notTls"],
    [node("ERR_SSL_PACKET_LENGTH_TOO_LONG", "packet length too long"), "notTls"],
    [addon("something new"), "other"],
    [addon("tlsv1 alert internal error", { alert: 80 }), "other"]
  ])("%s is told as %s", (error, reason) => {
    expect(tlsFailure(error, place)).toMatchObject({ _tag: "TlsFailed", reason, ...place })
  })

  it("is not what a broken network is", () => {
    for (const code of ["ECONNRESET", "EPIPE", "ETIMEDOUT"]) expect(tlsFailure(node(code, ""), place)).toBeUndefined()
  })
})
