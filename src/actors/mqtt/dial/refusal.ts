/** Converts the error of a stream or a connection to the refusal reported to its user. */
import {
  BrokerDisconnected,
  BrokerRefused,
  ConnectionLost,
  KeyMismatch,
  type MqttRefusal,
  SigningFailed,
  type Target,
  TlsFailed
} from "../../../messages/mqtt.ts"
import { AddonNotLoaded } from "../../../messages/platform.ts"
import { codeOf, errorCode } from "../../../platform/process/error-code.ts"
import type { ConnectionEnded } from "../client/connection-lifetime.ts"
import { tlsFailure } from "./tls-failure.ts"

/** `connecting`: CONNACK has not come yet. */
type Stage = ConnectionLost["stage"]

export const refusalOf = ({ reason }: ConnectionEnded, target: Target, stage: Stage): MqttRefusal => {
  const { host, port, cloud } = target
  switch (reason.kind) {
    case "closed":
      return new ConnectionLost({ host, port, stage, detail: "", cloud })
    case "refused":
    case "publishRefused":
      return new BrokerRefused({ host, port, code: reason.code, detail: "", cloud })
    case "disconnected":
      return new BrokerDisconnected({ host, port, code: reason.code, detail: reason.reason })
    case "stream":
      return refusalOfStream(reason.error, target, stage)
    case "protocol":
      return new ConnectionLost({ host, port, stage, endedBy: "us", detail: reason.detail, cloud })
    case "silent":
      return new ConnectionLost({ host, port, stage, endedBy: "network", detail: reason.detail, cloud })
  }
}

export const refusalOfStream = (error: Error, { host, port, cloud }: Target, stage: Stage): MqttRefusal =>
  signing(error, host, port) ??
  (error instanceof AddonNotLoaded ? error : undefined) ??
  tlsFailure(error, { host, port, cloud }) ??
  new ConnectionLost({
    host,
    port,
    stage,
    endedBy: ofNetwork.has(errorCode(error) ?? "") ? "network" : undefined,
    detail: codeOf(error),
    cloud
  })

/** The kernel found no route to the broker; ECONNRESET and EPIPE come from the broker. */
const ofNetwork: ReadonlySet<string> = new Set([
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "EHOSTDOWN",
  "ENETUNREACH",
  "ENETDOWN",
  "ENETRESET"
])

/** The add-on's stream has the signer's error as its cause. */
const signing = (error: Error, host: string, port: number): MqttRefusal | undefined => {
  if (errorCode(error) !== "ERR_TLS_SIGN") return undefined
  if (error.cause instanceof SigningFailed || error.cause instanceof KeyMismatch) return error.cause
  return new TlsFailed({ host, port, reason: "signatureMismatch", detail: error.message })
}
