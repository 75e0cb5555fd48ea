/**
 * Whether a connection is still open, for fibers that wait for an event on it; why it ended, or refused a request, as
 * raw facts.
 */

import { Data, Effect } from "effect"
import { reasonCodeText } from "../../../messages/explain/reason-code.ts"
import { errorCode } from "../../../platform/process/error-code.ts"
import { ShortLivedSet } from "../../../runtime/primitives/short-lived.ts"

/** The function that `start` returns is called when no fiber waits any more. */
type Start<A> = (answer: (value: A) => void) => unknown

export class ConnectionLifetime {
  private over: ConnectionEnded | undefined
  private readonly waiting = new ShortLivedSet<(over: ConnectionEnded) => void>()

  end(reason: ConnectionEnded["reason"]): void {
    if (this.over !== undefined) return
    const over = new ConnectionEnded({ reason })
    this.over = over
    for (const fail of [...this.waiting]) fail(over)
    this.waiting.clear()
  }

  /** Waits until `answer` is called, or fails when the connection ends. */
  within<A>(start: Start<A>): Effect.Effect<A, ConnectionEnded> {
    return Effect.callback<A, ConnectionEnded>((resume) => {
      if (this.over !== undefined) return resume(Effect.fail(this.over))
      const fail = (over: ConnectionEnded) => resume(Effect.fail(over))
      this.waiting.add(fail)
      const giveUp = start((value) => {
        this.waiting.delete(fail)
        resume(Effect.succeed(value))
      })
      return Effect.sync(() => {
        this.waiting.delete(fail)
        if (typeof giveUp === "function") giveUp()
      })
    })
  }
}

export class ConnectionEnded extends Data.TaggedError("ConnectionEnded")<{
  readonly reason: /** The broker, or the network, closed it without a DISCONNECT. */
    | { readonly kind: "closed" }
    /** CONNACK with a return code other than 0 (MQTT 3.1.1, 3.2.2.3). */
    | { readonly kind: "refused"; readonly code: number }
    /** PUBACK with a reason code of 128 or more (MQTT 5.0, 3.4.2.1). The connection stays open. */
    | { readonly kind: "publishRefused"; readonly code: number }
    /** DISCONNECT from the broker (MQTT 5.0, 3.14). */
    | { readonly kind: "disconnected"; readonly code: number; readonly reason: string }
    /** TCP or TLS failed. */
    | { readonly kind: "stream"; readonly error: Error }
    /** The broker violated the MQTT protocol. */
    | { readonly kind: "protocol"; readonly detail: string }
    /** A ping was not answered. */
    | { readonly kind: "silent"; readonly detail: string }
}> {}

/** From an error of the library, or of the stream below it. */
export const reasonOf = (error: Error): ConnectionEnded["reason"] => {
  if (errorCode(error) !== undefined) return { kind: "stream", error }
  // The library numbers its errors: with the return code of CONNACK, and others.
  if ("code" in error && typeof error.code === "number" && error.message.startsWith("Connection refused")) {
    const known = returnCodeOf(error.code)
    // The library has no texts for some codes.
    return known
      ? { kind: "refused", code: known }
      : { kind: "protocol", detail: `CONNACK with ${reasonCodeText(error.code)}` }
  }
  return { kind: error.message === "Keepalive timeout" ? "silent" : "protocol", detail: error.message }
}

// Refusals of MQTT 5 as the equivalent return codes of MQTT 3.1.1, so that they are explained once.

/** MQTT 3.1.1, table 3.1; MQTT 5.0, table 3-1. Undefined: no equivalent in MQTT 3.1.1. */
const returnCodeOf = (reasonCode: number): number | undefined =>
  reasonCode > 0 && reasonCode < 128 ? reasonCode : returnCodes[reasonCode]

/** "Unacceptable protocol version", from a broker that speaks MQTT 3.1.1 only (3.1.2.2 of either version). */
export const speaksNoMqtt5 = 1

/** PUBACK, MQTT 5.0, 4.13: the packet is longer than the broker's Maximum Packet Size. */
export const packetTooLarge = 0x95

/** SUBACK, MQTT 3.1.1, 3.9.3. */
export const refusedSubscription = 0x80

const returnCodes: Readonly<Record<number, number>> = {
  132: speaksNoMqtt5,
  133: 2,
  134: 4,
  135: 5,
  136: 3,
  137: 3,
  138: 5,
  139: 3,
  140: 4,
  159: 3
}
