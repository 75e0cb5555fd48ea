/** Why an MQTT connection is no more, or does not do what it was asked, before anybody has judged what that means. */
import { Data } from "effect"
import { reasonCodeText } from "../../../messages/explain/reason-code.ts"
import { returnCodeOf } from "./reason-codes.ts"

export class ConnectionEnded extends Data.TaggedError("ConnectionEnded")<{
  readonly reason: /** The broker, or the network, closed it without a word. */
    | { readonly kind: "closed" }
    /** CONNACK with a return code other than 0 (MQTT 3.1.1, 3.2.2.3). */
    | { readonly kind: "refused"; readonly code: number }
    /** PUBACK with a reason code of 128 or more (MQTT 5.0, 3.4.2.1). The connection goes on. */
    | { readonly kind: "publishRefused"; readonly code: number }
    /** DISCONNECT from the broker (MQTT 5.0, 3.14). */
    | { readonly kind: "disconnected"; readonly code: number; readonly reason: string }
    /** TCP or TLS failed. */
    | { readonly kind: "stream"; readonly error: Error }
    /** The broker did not keep to MQTT. */
    | { readonly kind: "protocol"; readonly detail: string }
    /** No answer to a ping. */
    | { readonly kind: "silent"; readonly detail: string }
}> {}

/** From an error of the library, or of the stream below it. */
export const reasonOf = (error: Error): ConnectionEnded["reason"] => {
  const code = "code" in error ? error.code : undefined
  // Return codes are numbers; those of Node's errors are words. The library finds fault with the broker by number, too.
  if (typeof code === "number" && error.message.startsWith("Connection refused")) {
    const known = returnCodeOf(code)
    // The library's own words lack some codes.
    return known
      ? { kind: "refused", code: known }
      : { kind: "protocol", detail: `CONNACK with ${reasonCodeText(code)}` }
  }
  if (typeof code === "string") return { kind: "stream", error }
  return { kind: error.message === "Keepalive timeout" ? "silent" : "protocol", detail: error.message }
}
