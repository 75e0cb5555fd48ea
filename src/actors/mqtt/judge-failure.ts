/** Whether trying again soon can help, or a person has to do something first. */
import type { MqttRefusal } from "../../messages/mqtt.ts"

export const needsPerson = (failure: MqttRefusal): boolean => {
  switch (failure._tag) {
    case "CredentialUnusable":
    case "KeyMismatch":
      return true
    case "TlsFailed":
      return failure.reason !== "other" && failure.reason !== "notTls"
    case "BrokerRefused":
      // 3 is "server unavailable" (MQTT 3.1.1, table 3.1): it passes.
      return failure.code !== 3
    case "SigningFailed":
      return failure.cause._tag === "PinRejected" || failure.cause._tag === "PinMissing"
    case "DialFailed":
    case "ConnectionLost":
    case "BrokerSilent":
      return false
  }
}
