/**
 * What BridgeActor and HealthActor understand.
 *
 * BridgeActor relays between the link to the local broker and the link to the cloud: a message is acknowledged
 * where it came from only after it was acknowledged where it went.
 */
import type { Ask, Tell } from "../runtime/protocol.ts"
import type { LinkStatus, MqttMessage } from "./mqtt.ts"

export type Side = "local" | "cloud"

/** A topic rule: messages matching `filter` on one side go on, `strip` cut off and `add` put in front. */
export interface BridgeRule {
  readonly direction: "outbound" | "inbound"
  /** MQTT topic filter on the side the messages come from. */
  readonly filter: string
  readonly strip: string
  readonly add: string
}

/** A message a link received. QoS 1: `delivery` names it in Acknowledge; QoS 0: undefined. */
export interface Received {
  readonly side: Side
  readonly delivery: number | undefined
  readonly message: MqttMessage
}

export interface BridgeStatus {
  readonly local: LinkStatus
  readonly cloud: LinkStatus
  readonly health: "up" | "down"
  /** Since the bridge started. */
  readonly counters: {
    readonly outbound: number
    readonly inbound: number
    /** Over the payload limit, or QoS 0 that found no room. */
    readonly dropped: number
    readonly waiting: number
  }
}

export type BridgeProtocol = {
  readonly Received: Tell<Received>
  readonly LinkChanged: Tell<{ readonly side: Side; readonly status: LinkStatus }>
  readonly Status: Ask<void, BridgeStatus>
}

/** Retained health of the service and of the bridge, and the answers to health checks. */
export type HealthProtocol = {
  readonly ServiceUp: Tell<void>
  readonly BridgeHealth: Tell<{ readonly health: "up" | "down"; readonly reason: string | undefined }>
  readonly HealthCheck: Tell<void>
}
