/** Sentences for refusals of a broker, or on the network path to it. */
import {
  type BrokerSilent,
  type CredentialUnusable,
  type MqttRefusal,
  type SigningInterrupted,
  type SubscriptionFault,
  sessionTakenOver,
  type TlsFailed
} from "../mqtt.ts"
import { closedHint, connackHintOf, renewHint, trustHint } from "./cloud-hints.ts"
import { type Explanation, inBrackets, quoted, type Sentences, seconds, sentenceIn } from "./explanation.ts"
import { explainPlatform } from "./platform.ts"
import { reasonCodeText } from "./reason-code.ts"
import { explainToken } from "./token.ts"

export const explainMqtt = (failure: MqttRefusal): Explanation => sentenceIn(mqttSentences, failure)

export const mqttSentences = {
  AddonNotLoaded: (failure) => explainPlatform(failure),
  DialFailed: (failure) => {
    switch (failure.code) {
      case "ECONNREFUSED":
        return {
          error: `connection refused at ${at(failure)}`,
          hint: "check host and port, and whether the broker runs"
        }
      case "ENOTFOUND":
      case "EAI_AGAIN":
        return {
          error: `the host name '${failure.host}' cannot be resolved`,
          hint: "check the name and the device's DNS settings"
        }
      case "ETIMEDOUT":
      case "EHOSTUNREACH":
      case "ENETUNREACH":
        return {
          error: `${at(failure)} cannot be reached (${failure.code})`,
          hint: "check the network, routes and firewalls"
        }
      case "proxy":
        return {
          error: `${at(failure)} cannot be reached through the proxy${inBrackets(failure.detail)}`,
          hint: "check: tedge config list proxy"
        }
      default:
        return { error: `${at(failure)} cannot be reached: ${failure.code}${inBrackets(failure.detail)}` }
    }
  },
  TlsFailed: (failure) => explainTls(failure),
  CredentialUnusable: (failure) => explainCredential(failure),
  KeyMismatch: (failure) => ({
    error: `${failure.key === "pkcs11:" ? "the token's private key" : `the private key '${failure.key}'`} does not belong to the certificate '${failure.certPath}'`,
    hint: "set the pair that belongs together: device.cert_path with device.key_uri (token) or device.key_path (file)"
  }),
  SigningFailed: (failure) => {
    const why =
      failure.cause._tag === "SigningInterrupted" ? explainInterrupted(failure.cause) : explainToken(failure.cause)
    return { ...why, error: `the token did not sign for the connection to ${failure.host}: ${why.error}` }
  },
  BrokerRefused: (failure) => {
    const error = `the broker at ${at(failure)} refused: ${connack[failure.code] ?? reasonCodeText(failure.code)}${inBrackets(failure.detail)}`
    const hint = connackHintOf(failure.cloud, failure.code) ?? connackHint[failure.code]
    return hint === undefined ? { error } : { error, hint }
  },
  SubscriptionRefused: (failure) => ({
    error: `the broker at ${at(failure)} refused the subscription to ${failure.filters.map(refusedFilter).join(", ")}`,
    hint: "check in the broker's access rules, or in the cloud, what this client may subscribe to"
  }),
  BrokerDisconnected: (failure) => ({
    error: `the broker at ${at(failure)} ended the connection: ${reasonCodeText(failure.code)}${inBrackets(failure.detail)}`,
    ...(failure.code === sessionTakenOver && { hint: "check whether the same mapper runs twice" })
  }),
  ClientIdContested: (failure) => ({
    error: `${failure.times} connections to ${at(failure)} in a row ended within seconds: another client seems to use the id '${quoted(failure.clientId)}'`,
    hint: "check that no other device, mapper or bridge connects with this id; a broker that disconnects its clients has the same symptom"
  }),
  ConnectionLost: (failure) =>
    failure.stage === "connecting"
      ? {
          error: `${at(failure)} closed the connection before it was established${inBrackets(failure.detail)}`,
          hint: closedHint(failure)
        }
      : { error: `the connection to ${at(failure)} was lost${inBrackets(failure.detail)}` },
  BrokerSilent: (failure) => {
    const { afterMs, signingMs } = failure
    const signed = signingMs === undefined ? "" : `; the token took ${seconds(signingMs)} of it`
    return {
      error: `${at(failure)} did not answer within ${seconds(afterMs)} (waiting for ${failure.waitingFor}${signed})`,
      hint: (signingMs ?? 0) > afterMs / 2 ? "the token is slow: tedge hsm doctor" : silenceHint[failure.waitingFor]
    }
  }
} satisfies Sentences<MqttRefusal>

const at = (failure: { readonly host: string; readonly port: number }): string => `${failure.host}:${failure.port}`

const explainTls = (failure: TlsFailed): Explanation => {
  const { host } = failure
  switch (failure.reason) {
    case "serverNotTrusted":
      return {
        error: `The device does not trust the certificate presented by ${host}${inBrackets(failure.detail)}`,
        hint: "check the trusted certificates: tedge config list root_cert_path"
      }
    case "hostMismatch":
      return {
        error: `the certificate presented by ${host} is for another name${inBrackets(failure.detail)}`,
        hint: "check the configured host name: tedge config list url"
      }
    case "serverCertificateExpired":
      return { error: `the certificate presented by ${host} has expired`, hint: "check the device's clock: date" }
    case "serverCertificateNotYetValid":
      return { error: `the certificate presented by ${host} is not valid yet`, hint: "check the device's clock: date" }
    case "serverCertificateUnfit":
      return {
        error: `the certificate presented by ${host} is not accepted${inBrackets(failure.detail)}`,
        hint: "server and CAs need keys of RSA (2048 bits or more), P-256, P-384, P-521 or Ed25519, and no SHA-1; the server certificate must not be a CA certificate"
      }
    case "certificateRefused":
      return {
        error: `${host} did not recognise the device certificate${inBrackets(failure.detail)}`,
        hint: trustHint(failure.cloud)
      }
    case "certificateExpired":
      return { error: `${host} rejected the device certificate as expired`, hint: renewHint(failure.cloud) }
    case "certificateRequired":
      return {
        error: `${host} requires a device certificate, and none was sent`,
        hint: "check: tedge config get device.cert_path"
      }
    case "handshakeRefused":
      return {
        error: `${host} refused the TLS handshake without giving a reason`,
        hint: "check that device.cert_path belongs to the key, and that the cloud trusts the certificate"
      }
    case "protocolVersion":
      return { error: `${host} and this device have no TLS version in common${inBrackets(failure.detail)}` }
    case "signatureMismatch":
      return {
        error: "the token's signature does not verify with the key of the device certificate; it was not sent",
        hint: "if certificate and key belong together, the token or its module is at fault: tedge hsm doctor"
      }
    case "notTls":
      return {
        error: `the server at ${at(failure)} does not speak TLS${inBrackets(failure.detail)}`,
        hint: "check the port"
      }
    case "other":
      return { error: `the TLS handshake with ${host} failed${inBrackets(failure.detail)}` }
  }
}

const explainCredential = (failure: CredentialUnusable): Explanation => {
  const what = `the ${failure.role} file '${failure.path}'`
  switch (failure.reason) {
    case "missing":
      return {
        error: `${what} does not exist`,
        ...(failure.role === "credentials" && {
          hint: "it holds [c8y] with username and password; for a certificate: tedge config set c8y.auth_method certificate"
        }),
        ...(failure.role === "certificate" && { hint: "make one with `tedge cert create`, or set device.cert_path" }),
        ...(failure.role === "key" && {
          hint: "if the key is in a token: tedge config set device.cryptoki.mode module; otherwise set device.key_path"
        })
      }
    case "noPermission":
      return { error: `${what} may not be read by this user`, hint: `check: ls -l '${failure.path}'` }
    case "isDirectory":
      return { error: `${what} is a directory`, hint: checkPath(failure) }
    case "malformed":
      return {
        error: `${what} is malformed${inBrackets(failure.detail)}`,
        ...(failure.role !== "credentials" && { hint: "it must be in PEM form" })
      }
    case "der":
      return {
        error: `${what} is in DER form; PEM is required`,
        hint: `openssl x509 -inform DER -in '${failure.path}' -out '${failure.path}.pem'`
      }
    case "ambiguous":
      return {
        error: `several certificates could be the device's: the device's certificate must come first in '${failure.path}'`,
        hint: leafFirstHint
      }
    case "empty":
      return {
        error: `${what} contains no ${failure.role === "key" ? "key" : "certificate"}`,
        hint: checkPath(failure)
      }
    case "tooLarge":
      return { error: `${what} is too large${inBrackets(failure.detail)}`, hint: checkPath(failure) }
  }
}

/** For a file whose device certificate is unknown. */
export const leafFirstHint = "keep only the device's certificate and, after it, its issuers in the file"

/** The setting that names the file, unless an option does. */
const checkPath = ({ role, path }: CredentialUnusable): string => {
  switch (role) {
    case "certificate":
      return path.endsWith(".new")
        ? "remove it, or renew again: tedge cert renew"
        : "device.cert_path, or --cert-path, must name a PEM file"
    case "key":
      return "device.key_path must name a PEM file"
    default:
      return `check: ls -l '${path}'`
  }
}

const explainInterrupted = (failure: SigningInterrupted): Explanation => {
  switch (failure.reason) {
    case "timeout":
      return {
        error: `the token did not sign within ${seconds(failure.afterMs)}`,
        hint: "if the token waits for a touch, touch it"
      }
    case "down":
      return { error: "the signing actor crashed before it answered; it restarts automatically" }
    case "full":
      return { error: "too many signatures are waiting for the token" }
    case "stopped":
      return failure.retryInMs === undefined
        ? { error: "the signing actor has stopped" }
        : {
            error: `the signing actor is parked after repeated failures and restarts in ${seconds(failure.retryInMs)}`,
            hint: "retried automatically; the log says why it failed"
          }
  }
}

const connack: Record<number, string> = {
  1: "it does not speak MQTT 3.1.1",
  2: "it does not accept the client id",
  3: "the service is not available",
  4: "user name or password is wrong",
  5: "this client is not authorised"
}

const connackHint: Record<number, string> = {
  2: "the client id is the device id: tedge config get device.id",
  3: "try again later",
  4: "check user name and password, and that they are for this broker",
  5: "check in the cloud, or in the broker's access rules, what this device may do"
}

/** `'c8y/s/us/#': not authorised (0x87)`. */
export const refusedFilter = ({ filter, code }: SubscriptionFault): string =>
  `'${quoted(filter)}': ${code < 0x80 ? `granted with QoS ${code} only` : reasonCodeText(code)}`

const silenceHint: Record<BrokerSilent["waitingFor"], string> = {
  connection: "check firewalls and proxies on the way, and the port: tedge config list mqtt",
  CONNACK: "check that the port is one for MQTT: tedge config list mqtt",
  SUBACK: "see the broker's log",
  PUBACK: "see the broker's log"
}
