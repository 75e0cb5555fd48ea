/** What can make the next attempt succeed, from the refusal of the last. */
import type { MqttRefusal, SigningFailed } from "./mqtt.ts"

/** What can make the next attempt succeed. */
export type Cure =
  /** The network or the broker comes back. */
  | "time"
  /** Somebody has to do something. */
  | "person"
  /** The token is plugged in again. */
  | "token"

export const cureOf = (failure: MqttRefusal): Cure => {
  switch (failure._tag) {
    case "CredentialUnusable":
    case "KeyMismatch":
    case "AddonNotLoaded":
      return "person"
    case "TlsFailed":
      return failure.reason === "other" || failure.reason === "notTls" ? "time" : "person"
    case "BrokerRefused":
      // 3 is "server unavailable" (MQTT 3.1.1, table 3.1): it passes.
      return failure.code === 3 ? "time" : "person"
    case "SigningFailed":
      return cureOfToken(failure.cause)
    case "DialFailed":
    case "ConnectionLost":
    case "BrokerSilent":
      return "time"
  }
}

const cureOfToken = (cause: SigningFailed["cause"]): Cure => {
  switch (cause._tag) {
    case "HostNotStarted":
      return "time"
    case "TokenNotFound":
    case "TokenUnavailable":
    case "TokenHostDied":
    case "TokenTimeout":
    case "SigningServiceUnreachable":
    case "SigningServiceGarbled":
    case "SigningCutOff":
      return "token"
    // The service tells in words only what its token said; a token that is back is the likelier cure.
    case "SigningServiceRefused":
      return "token"
    default:
      return "person"
  }
}
