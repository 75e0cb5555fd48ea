/** The event that can make the next attempt succeed, by the refusal of the last. */
import type { MqttRefusal, SigningFailed } from "./mqtt.ts"

/** The event that can make the next attempt succeed. */
export type RetryTrigger =
  /** The network or the broker comes back. */
  | "time"
  /** A person fixes it. */
  | "person"
  /** The token is plugged in again. */
  | "token"

export const retryTriggerOf = (failure: MqttRefusal): RetryTrigger => {
  switch (failure._tag) {
    case "CredentialUnusable":
    case "KeyMismatch":
    case "AddonNotLoaded":
      return "person"
    case "TlsFailed":
      return failure.reason === "other" || failure.reason === "notTls" ? "time" : "person"
    case "BrokerRefused":
      return passing.has(failure.code) ? "time" : "person"
    case "SubscriptionRefused":
      return "person"
    case "BrokerDisconnected":
      return "time"
    case "ClientIdContested":
      return "time"
    case "SigningFailed":
      return retryTriggerOfToken(failure.cause)
    case "DialFailed":
    case "ConnectionLost":
    case "BrokerSilent":
      return "time"
  }
}

const retryTriggerOfToken = (cause: SigningFailed["cause"]): RetryTrigger => {
  switch (cause._tag) {
    case "HostNotStarted":
    case "TokenActorFailed":
      return "time"
    case "TokenNotFound":
    case "TokenUnavailable":
    case "LoginDelayed":
    case "TokenHostDied":
    case "TokenTimeout":
    case "SigningServiceUnreachable":
    case "SigningServiceResponseInvalid":
    case "SigningInterrupted":
      return "token"
    // The service's message is text only; a token that is back is the likelier cure.
    case "SigningServiceRefused":
      return "token"
    default:
      return "person"
  }
}

/**
 * "Server unavailable" (MQTT 3.1.1, table 3.1), and the temporary ones of MQTT 5 (table 2-6): unspecified and
 * implementation specific errors, busy, shutting down, rates and quotas.
 */
const passing: ReadonlySet<number> = new Set([3, 0x80, 0x83, 0x88, 0x89, 0x8b, 0x93, 0x96, 0x97, 0x9f])
