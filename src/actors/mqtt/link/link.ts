/** State shared by the parts of a link. */
import { Deferred, Effect, Queue, type Scope } from "effect"
import type { LinkStatus, LinkUserRef, MqttMessage, MqttRefusal, Side, Target } from "../../../messages/mqtt.ts"
import { WakeUp } from "../../../runtime/primitives/wake-up.ts"
import type { BrokerConnection } from "../broker-connection.ts"
import type { OversizedPublish } from "../client/packet-reader.ts"
import type { BackOffSettings } from "./back-off.ts"
import { InboundWindow, type WindowBounds } from "./inbound-window.ts"
import type { LinkLogName } from "./link-log.ts"

export interface LinkOptions {
  readonly side: Side
  readonly target: Target
  /** Subscribed with QoS 1 at every connection, before anything is published. */
  readonly filters: ReadonlyArray<string>
  /** Required ones: if one is refused, the link is down. */
  readonly neededFilters: ReadonlyArray<string>
  readonly backOff: BackOffSettings
  /** Published at every connection, before anything else. */
  readonly onConnect: ReadonlyArray<MqttMessage>
  /** Published before DISCONNECT when the link is stopped. */
  readonly onDisconnect: ReadonlyArray<MqttMessage>
  readonly log: LinkLogName
  readonly bounds: WindowBounds
}

export interface Link {
  readonly options: LinkOptions
  readonly connect: Effect.Effect<BrokerConnection, MqttRefusal, Scope.Scope>
  readonly receiver: LinkUserRef
  readonly gate: Gate
  readonly window: InboundWindow
  /** Signals that a message may be waiting for the receiver. */
  readonly wakeUp: WakeUp
  /** Requests an attempt now. */
  readonly retry: Queue.Queue<string>
  /** Messages that were too large, for the log. */
  readonly oversized: Queue.Queue<OversizedPublish>
  status: LinkStatus
  /** The last status that ended an attempt. */
  lastReported: LinkStatus | undefined
  /** Completes when another connection is due; of the current connection. */
  reconnect: Deferred.Deferred<void>
  readonly past: LinkPast
}

/** Survives a restart of the actor: neither number is used twice. */
export interface LinkPast {
  deliveries: number
  connections: number
}

/** `connect`: dials the link's target. */
export const makeLink = (
  options: LinkOptions,
  connect: (link: Link) => Link["connect"],
  receiver: LinkUserRef,
  past: LinkPast
): Effect.Effect<Link> =>
  Effect.gen(function* () {
    const link: Link = {
      past,
      options,
      connect: Effect.suspend(() => connect(link)),
      receiver,
      gate: new Gate(),
      window: new InboundWindow(options.bounds, past),
      wakeUp: new WakeUp(),
      retry: yield* Queue.sliding<string>(1),
      oversized: yield* Queue.sliding<OversizedPublish>(16),
      status: { _tag: "Connecting", attempt: 1 },
      lastReported: undefined,
      reconnect: Deferred.makeUnsafe<void>()
    }
    return link
  })

/** Blocks publishes until the connection is ready for them. */
class Gate {
  /** The connection, while the gate is open. */
  connection: BrokerConnection | undefined
  private opened = Deferred.makeUnsafe<BrokerConnection>()

  open(connection: BrokerConnection): void {
    this.connection = connection
    Deferred.doneUnsafe(this.opened, Effect.succeed(connection))
  }

  close(): void {
    if (this.connection === undefined) return
    this.connection = undefined
    this.opened = Deferred.makeUnsafe<BrokerConnection>()
  }

  readonly pass: Effect.Effect<BrokerConnection> = Effect.suspend(() => Deferred.await(this.opened))
}
