/** Why an MQTT connection is no more, before anybody has judged what that means for its user. */
import { Data } from "effect"

export class ConnectionEnded extends Data.TaggedError("ConnectionEnded")<{
  readonly reason: /** The broker, or the network, closed it without a word. */
    | { readonly kind: "closed" }
    /** CONNACK with a return code other than 0 (MQTT 3.1.1, 3.2.2.3). */
    | { readonly kind: "refused"; readonly code: number }
    /** TCP or TLS failed. */
    | { readonly kind: "stream"; readonly error: Error }
    /** The broker did not keep to MQTT, or did not answer a ping. */
    | { readonly kind: "protocol"; readonly detail: string }
}> {}
