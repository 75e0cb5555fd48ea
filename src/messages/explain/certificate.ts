/** Sentences for refusals of the `tedge cert` commands. */
import { type CertificateRefusal, type HttpUnreachable, isDistrust } from "../certificate.ts"
import { isAboutScope, keysFragment, lacksToken, tokensFragment } from "../service-fragments.ts"
import { type Explanation, inBrackets, quoted, type Sentences, seconds } from "./explanation.ts"
import { explainMqtt } from "./mqtt.ts"
import { ownScope } from "./signing-service.ts"
import { explainToken } from "./token.ts"

export const certificateSentences = {
  FileExists: (failure) => {
    if (failure.role === "other")
      return {
        error: `'${failure.path}' is not a certificate and would be overwritten`,
        hint: "check the path in the settings: tedge config list device"
      }
    return failure.role === "certificate"
      ? {
          error: `A certificate already exists and would be overwritten: '${failure.path}'`,
          hint: "keep it, renew it (tedge cert renew), or remove it first: tedge cert remove"
        }
      : {
          error: `A private key already exists and would be overwritten: '${failure.path}'`,
          hint: "a lost key cannot be recovered; move the file away if it is no longer needed"
        }
  },
  SameFile: (failure) => ({
    error: `${failure.names.join(" and ")} are the same file: '${failure.path}'; the private key would be lost`,
    hint: `choose another file, e.g.: tedge config set ${failure.names[0]} '${failure.path}.key'`
  }),
  KeyRequired: ({ cause, present, isListed, isOtherToken = false, isServiceOld = false }) => {
    const explained = explainToken(cause)
    // What our service lists at the end of its message is in the hint, as in module mode.
    const error = present.length === 0 ? explained.error : explained.error.replace(listed, "")
    if (isListed) return { error, hint: `the service lists it, but ${ownScope}` }
    if (isOtherToken) return { error, hint: ownScope }
    if (isServiceOld && cause._tag === "SigningServiceRefused" && lacksToken(cause))
      return {
        error,
        hint: "plug it in, or correct device.key_uri; the signing service is too old to list its tokens: update tedge-p11-server"
      }
    if (isServiceOld)
      return {
        error,
        hint: "the signing service is too old to create keys: update tedge-p11-server, or create the key with the token's own tool (pkcs11-tool --keypairgen)"
      }
    if (cause._tag === "SigningServiceRefused" ? isAboutScope(cause) : cause.onOtherToken !== undefined)
      return explained
    if (cause._tag === "SigningServiceRefused" ? lacksToken(cause) : cause._tag === "TokenNotFound") {
      const hint = present.length === 0 ? explained.hint : `${tokensFragment}${present.join(", ")}`
      return { error, hint: `${hint}; then create a key on it: tedge cert create-key-hsm` }
    }
    return present.length === 0
      ? { error, hint: "create a key: tedge cert create-key-hsm" }
      : {
          error,
          hint: `select an existing one (tedge config set device.key_uri '<uri>'): ${present.join(", ")}; or create one: tedge cert create-key-hsm`
        }
  },
  SignatureNotVerified: (failure) => ({
    error: `the token's signature (${failure.scheme}) does not match the public key on the token; nothing was written`,
    hint: "objects with the same id belong to different pairs, or the token is faulty: tedge hsm doctor"
  }),
  RequestUnusable: ({ path, reason, detail }) => {
    switch (reason) {
      case "unreadable":
        return {
          error: `the request '${path}' cannot be read: ${quoted(detail)}`,
          hint: "set --csr-path to a request file, or omit it to have one created"
        }
      case "der":
        return {
          error: `the request '${path}' is in DER form; PEM is required`,
          hint: `openssl req -inform DER -in '${path}' -out '${path}.pem'`
        }
      case "notARequest":
        return {
          error: `'${path}' is not a certificate signing request in PEM form`,
          hint: "make one: tedge cert create-csr"
        }
      case "otherKey":
        return {
          error: `the request '${path}' was made with a key other than the device's`,
          hint: "make one with the device's key: tedge cert create-csr"
        }
    }
  },
  AccessTokenMissing: (failure) => ({
    error: `no access token for the renewal from the cloud: ${failure.cause === undefined ? "no response over the local broker" : explainMqtt(failure.cause).error}`,
    hint: `the access token is requested over the connection to the cloud; check it: tedge connect ${failure.words} --test`
  }),
  HostInvalid: (failure) => ({
    error: `'${quoted(failure.text)}' is not a valid host for ${failure.option}`,
    hint: "a host name or address, perhaps with a port: tenant.example:443"
  }),
  DurationInvalid: (failure) => ({
    error: `'${quoted(failure.text)}' is not a valid duration for ${failure.option}`,
    hint: "e.g. 30s, 10m, 1h 30m"
  }),
  CommonNameInvalid: (failure) => {
    switch (failure.reason) {
      case "empty":
        return { error: "The empty string cannot be used as a name", hint: "tedge cert create --device-id <id>" }
      case "tooLong":
        return {
          error: `The string '${quoted(failure.name)}' is more than 64 characters long and cannot be used as a name`
        }
      case "characters":
        return {
          error: `The string '${quoted(failure.name)}' contains characters which cannot be used in a name [use only A-Z, a-z, 0-9, ' = ( ) , - . ? % * _ ! @]`
        }
    }
  },
  NotSelfSigned: (failure) => ({
    error: `Cannot renew certificate with self-signed ca: '${failure.path}' is not self-signed`,
    hint: "tedge cert renew --ca c8y"
  }),
  NotSupportedByCloud: (failure) => ({
    error: `Certificate ${failure.service} is not supported for ${failure.cloud === "az" ? "Azure" : "AWS"}`,
    hint:
      failure.service === "renewal"
        ? "renew it with your own CA: tedge cert create-csr, then put the certificate at device.cert_path"
        : "use the cloud's own tools"
  }),
  KeyCannotCertify: (failure) => ({
    error: `certificates and requests cannot be signed with a key of type ${failure.keyType}`,
    hint: "use ECDSA P-256, P-384, P-521 or RSA"
  }),
  HttpRefused: (failure) => {
    const error = `${failure.method} ${failure.url} failed with status ${failure.status}${inBrackets(failure.detail)}`
    switch (failure.status) {
      case 401:
      case 403:
        return { error, hint: "check user name, password or one-time password, and their permissions" }
      case 404:
        return { error, hint: "check that c8y.url names the right tenant, and that the service is switched on there" }
      default:
        return { error }
    }
  },
  HttpUnreachable: (failure) => {
    if (failure.proxy !== undefined) return explainProxy(failure.url, failure.proxy, failure)
    const error = `${failure.url} cannot be reached: ${failure.code}${inBrackets(failure.detail)}`
    return isDistrust(failure)
      ? { error, hint: "check the trusted certificates: tedge config get c8y.root_cert_path" }
      : { error, hint: "check c8y.url, c8y.http and the network" }
  },
  EnrolmentResponseInvalid: (failure) => {
    const start = `the answer of ${failure.url}`
    switch (failure.reason) {
      case "notPkcs7":
        return { error: `${start} is not a PKCS#7 message with certificates` }
      case "noCertificate":
        return { error: `${start} contains no certificate` }
      case "otherKey":
        return { error: `${start} contains a certificate for a different key; it was not saved` }
      case "notJson":
        return { error: `${start} is not a valid response of a Cumulocity server` }
    }
  },
  EnrolmentTimedOut: (failure) => ({
    error: `Maximum timeout elapsed. No certificate has been downloaded from ${failure.url} within ${seconds(failure.afterMs)}`,
    hint: "register the device in the cloud with this one-time password, then run the command again with --one-time-password"
  })
} satisfies Sentences<CertificateRefusal>

const listed = new RegExp(`; (?:${keysFragment}|${tokensFragment}).*$`)

const explainProxy = (url: string, proxy: string, { code, detail }: HttpUnreachable): Explanation => ({
  error: `${url} cannot be reached through the proxy '${proxy}': ${quoted(detail)}`,
  hint:
    code === "407"
      ? "check proxy.username and proxy.password"
      : "check proxy.address; hosts that are reached without it: tedge config set proxy.no_proxy <hosts>"
})
