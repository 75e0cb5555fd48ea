/** What the parts of a link share. */
import { Deferred, Effect, Queue } from "effect"
import type { LinkStatus, LinkUserRef, MqttMessage, Side, Target } from "../../messages/mqtt.ts"
import { AwaitedAcks } from "./awaited-acks.ts"
import type { BackOffSettings } from "./back-off.ts"
import type { Connect } from "./connection.ts"
import { Gate } from "./gate.ts"
import { InboundWindow, type WindowBounds } from "./inbound-window.ts"

export interface LinkOptions {
  readonly side: Side
  readonly target: Target
  /** Subscribed with QoS 1 at every connection, before anything is published. */
  readonly filters: ReadonlyArray<string>
  readonly backOff: BackOffSettings
  /** Published at every connection, before anything else. */
  readonly greeting: ReadonlyArray<MqttMessage>
  /** Published before DISCONNECT when the link is stopped. */
  readonly farewell: ReadonlyArray<MqttMessage>
  /** Who speaks in the log; undefined: nobody. */
  readonly logTarget: string | undefined
  readonly bounds: WindowBounds
}

export interface Link {
  readonly options: LinkOptions
  readonly connect: Connect
  readonly receiver: LinkUserRef
  readonly gate: Gate
  readonly window: InboundWindow
  readonly acks: AwaitedAcks
  /** Rings when a message may be waiting for the receiver. */
  readonly bell: Queue.Queue<void>
  /** Somebody says that trying again may help now. */
  readonly retry: Queue.Queue<void>
  status: LinkStatus
  /** The last status that was the end of an attempt. */
  lastTold: LinkStatus | undefined
  /** Fulfilled when another connection is due; of the connection that is. */
  again: Deferred.Deferred<void>
  /** Connections so far. */
  connections: number
}

export const makeLink = (
  options: LinkOptions,
  connect: Connect,
  receiver: LinkUserRef,
  nextDelivery: () => number
): Effect.Effect<Link> =>
  Effect.gen(function* () {
    return {
      options,
      connect,
      receiver,
      gate: new Gate(),
      window: new InboundWindow(options.bounds, nextDelivery),
      acks: new AwaitedAcks(),
      bell: yield* Queue.sliding<void>(1),
      retry: yield* Queue.sliding<void>(1),
      status: { _tag: "Connecting", attempt: 1 },
      lastTold: undefined,
      again: Deferred.makeUnsafe<void>(),
      connections: 0
    }
  })
