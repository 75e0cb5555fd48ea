/**
 * Protocols of BridgeActor and HealthActor.
 *
 * BridgeActor relays between the link to the local broker and the link to the cloud: a message is acknowledged to its
 * sender only after the receiving side has acknowledged it.
 */
import { Data } from "effect"
import type { Ask, Tell } from "../runtime/protocol.ts"
import type { LinkStatus, LinkUserProtocol, MqttMessage, MqttRefusal } from "./mqtt.ts"
import type { DirectionFacts, Timeline } from "./status/snapshot.ts"

/** A topic rule: messages that match `filter` on one side are forwarded, with prefix `strip` replaced by `add`. */
export interface BridgeRule {
  readonly direction: "outbound" | "inbound"
  /** MQTT topic filter on the side the messages come from. */
  readonly filter: string
  readonly strip: string
  readonly add: string
}

export interface BridgeStatus {
  readonly local: LinkStatus
  readonly cloud: LinkStatus
  readonly health: "up" | "down"
  /** Counted from the start of the bridge. */
  readonly counters: {
    readonly outbound: number
    readonly inbound: number
    /** Over the payload limit, permanently refused by the receiving broker, or QoS 0 without room. */
    readonly dropped: number
    readonly waiting: number
  }
}

/** Status of the bridge for people. Dates are milliseconds since 1970. */
export interface BridgeReport {
  readonly health: "up" | "down"
  /** Since when. */
  readonly since: number
  readonly local: LinkReport
  readonly cloud: LinkReport
  readonly outbound: DirectionFacts
  readonly inbound: DirectionFacts
  /** The last sampled message. */
  readonly message: Timeline | undefined
}

export interface LinkReport {
  readonly status: LinkStatus
  /** Since when it is up or down. */
  readonly since: number
  /** Why it is down. */
  readonly failure: MqttRefusal | undefined
  readonly retryAt: number | undefined
  /** How many there were. */
  readonly connections: number
  readonly lastLost: { readonly at: number; readonly failure: MqttRefusal } | undefined
}

/** A documented rule of a cloud: it closes the connection on a publish to such a topic. */
export type CloudRule =
  | { readonly kind: "levels"; readonly levels: number; readonly limit: number }
  | { readonly kind: "topicBytes"; readonly bytes: number; readonly limit: number }
  /** `allowed`: the topics that may be published there, for display. */
  | { readonly kind: "reserved"; readonly target: string; readonly allowed: string }

/** A message that is not forwarded, and why. */
export type DroppedMessage = {
  readonly direction: BridgeRule["direction"]
  /** As received; for a refused one, as it was to be published. */
  readonly topic: string
} & (
  | {
      readonly reason: "tooLarge"
      /** Bytes. */
      readonly size: number
      readonly limit: number
      /** The setting that has the limit. */
      readonly setting: string
    }
  | { readonly reason: "invalidTopic"; readonly target: string }
  /** The cloud closes the connection on such a topic. */
  | { readonly reason: "againstRule"; readonly rule: CloudRule }
  /** Permanently, by the receiving broker, with a reason code of MQTT 5. */
  | { readonly reason: "refused"; readonly code: number }
)

/** A message that the receiving broker refuses temporarily, or closes the connection on. */
export interface HeldBackMessage {
  readonly direction: BridgeRule["direction"]
  /** As it was to be published. */
  readonly topic: string
  /** MQTT 5.0, 3.4.2.1. Undefined: the broker closed several connections on it. */
  readonly code: number | undefined
}

/** The cloud did not respond in time. */
export class CloudNotAnswering extends Data.TaggedError("CloudNotAnswering")<{
  /** `up`: both connections are up, and the cloud does not respond. */
  readonly health: "up" | "down"
  /** Why the bridge is down, or what the cloud refused, as a sentence. */
  readonly reason: string
  /** The status code of the cloud's refusal. */
  readonly status?: number
}> {}

export type BridgeProtocol = LinkUserProtocol & {
  readonly Status: Ask<void, BridgeStatus>
  /** `sample`: the next message is traced; a later report contains it. */
  readonly Report: Ask<{ readonly sample: boolean }, BridgeReport>
  /**
   * Sends a request to the cloud over the current connection, or one established in time, and answers with the response as
   * forwarded to the local broker. Retained messages, and those before the request, do not count.
   */
  readonly CheckCloud: Ask<{ readonly withinMs: number }, { readonly answer: MqttMessage }, CloudNotAnswering>
}

/**
 * Publishes the retained health of service and bridge, and answers health checks.
 *
 * HealthActor has its own link: a connection has one will, and that of the bridge's link reports the end of the bridge.
 */
export type HealthProtocol = LinkUserProtocol & {
  readonly BridgeHealth: Tell<BridgeHealth>
  /** All actors that are parked now; others work again. */
  readonly ActorsParked: Tell<{ readonly parked: ReadonlyArray<ParkedActor> }>
}

/** An actor that failed too often and is not running. */
export interface ParkedActor {
  readonly actor: string
  /** Milliseconds since 1970; undefined: not restarted. */
  readonly nextTryAt: number | undefined
}

export interface BridgeHealth {
  readonly health: "up" | "down"
  readonly local: LinkStatus
  readonly cloud: LinkStatus
}
