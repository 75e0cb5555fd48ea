/** Why an MQTT connection is no more, or does not do what it was asked, before anybody has judged what that means. */
import { Data } from "effect"

export class ConnectionEnded extends Data.TaggedError("ConnectionEnded")<{
  readonly reason: /** The broker, or the network, closed it without a word. */
    | { readonly kind: "closed" }
    /** CONNACK with a return code other than 0 (MQTT 3.1.1, 3.2.2.3). */
    | { readonly kind: "refused"; readonly code: number }
    /** PUBACK with a reason code of 128 or more (MQTT 5.0, 3.4.2.1). The connection goes on. */
    | { readonly kind: "publishRefused"; readonly code: number }
    /** TCP or TLS failed. */
    | { readonly kind: "stream"; readonly error: Error }
    /** The broker did not keep to MQTT, or did not answer a ping. */
    | { readonly kind: "protocol"; readonly detail: string }
}> {}
