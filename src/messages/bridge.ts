/**
 * What BridgeActor and HealthActor understand.
 *
 * BridgeActor relays between the link to the local broker and the link to the cloud: a message is acknowledged
 * where it came from only after it was acknowledged where it went.
 */
import { Data } from "effect"
import type { Ask, Tell } from "../runtime/protocol.ts"
import type { LinkStatus, LinkUserProtocol, MqttMessage, MqttRefusal } from "./mqtt.ts"
import type { DirectionFacts, Timeline } from "./status/snapshot.ts"

/** A topic rule: messages matching `filter` on one side go on, `strip` cut off and `add` put in front. */
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
  /** Since the bridge started. */
  readonly counters: {
    readonly outbound: number
    readonly inbound: number
    /** Over the payload limit, refused for good by the broker it was for, or QoS 0 that found no room. */
    readonly dropped: number
    readonly waiting: number
  }
}

/** What a person wants to see of the bridge. Dates are milliseconds since 1970. */
export interface BridgeReport {
  readonly health: "up" | "down"
  /** Since when. */
  readonly since: number
  readonly local: LinkReport
  readonly cloud: LinkReport
  readonly outbound: DirectionFacts
  readonly inbound: DirectionFacts
  /** The last message that was sampled. */
  readonly message: Timeline | undefined
}

export interface LinkReport {
  readonly status: LinkStatus
  /** Since when it is up, or not. */
  readonly since: number
  /** Why it is not up. */
  readonly failure: MqttRefusal | undefined
  readonly retryAt: number | undefined
  /** How many there were. */
  readonly connections: number
  readonly lastLost: { readonly at: number; readonly failure: MqttRefusal } | undefined
}

/** What is known of a cloud beforehand: it ends the connection at a publish on such a topic. */
export type CloudRule =
  | { readonly kind: "levels"; readonly levels: number; readonly limit: number }
  | { readonly kind: "topicBytes"; readonly bytes: number; readonly limit: number }
  /** `allowed`: what may be published there, for people. */
  | { readonly kind: "reserved"; readonly target: string; readonly allowed: string }

/** A message that is not passed on, and why. */
export type DroppedMessage = {
  readonly direction: BridgeRule["direction"]
  /** As it came in; one that was refused, as it was to be published. */
  readonly topic: string
} & (
  | {
      readonly reason: "tooLarge"
      /** Bytes. */
      readonly size: number
      readonly limit: number
      /** The key of the setting the limit is from. */
      readonly setting: string
    }
  | { readonly reason: "invalidTopic"; readonly target: string }
  /** The cloud ends the connection at such a topic. */
  | { readonly reason: "againstRule"; readonly rule: CloudRule }
  /** For good, by the broker it was for, with a reason code of MQTT 5. */
  | { readonly reason: "refused"; readonly code: number }
)

/** A message that the broker it is for refuses for now, or ends the connection at. */
export interface HeldBackMessage {
  readonly direction: BridgeRule["direction"]
  /** As it was to be published. */
  readonly topic: string
  /** MQTT 5.0, 3.4.2.1. Undefined: the broker ended connection after connection at it. */
  readonly code: number | undefined
}

/** The cloud gave no answer in time. */
export class CloudNotAnswering extends Data.TaggedError("CloudNotAnswering")<{
  /** `up`: both connections are, and the cloud says nothing. */
  readonly health: "up" | "down"
  /** Why the bridge is down, or what the cloud refused, in words. */
  readonly reason: string
  /** The status with which the cloud refused. */
  readonly status?: number
}> {}

export type BridgeProtocol = LinkUserProtocol & {
  readonly Status: Ask<void, BridgeStatus>
  /** `sample`: the next message is followed on its way; a later report has it. */
  readonly Report: Ask<{ readonly sample: boolean }, BridgeReport>
  /**
   * Asks the cloud a question over the connection that is, or comes within the time, and answers with what it said: as it
   * is passed on to the local broker. What is retained, or came before the question, is no answer.
   */
  readonly CheckCloud: Ask<{ readonly withinMs: number }, { readonly answer: MqttMessage }, CloudNotAnswering>
}

/**
 * Retained health of the service and of the bridge, and the answers to health checks.
 *
 * HealthActor uses a link of its own: a connection has one will, and the one of the bridge's link reports the bridge's end.
 */
export type HealthProtocol = LinkUserProtocol & {
  readonly BridgeHealth: Tell<BridgeHealth>
  /** All that are parked now; those of before that are not among them work again. */
  readonly ActorsParked: Tell<{ readonly parked: ReadonlyArray<ParkedActor> }>
}

/** An actor that failed too often and is not running. */
export interface ParkedActor {
  readonly actor: string
  /** Milliseconds since 1970; undefined: it is not started again. */
  readonly nextTryAt: number | undefined
}

export interface BridgeHealth {
  readonly health: "up" | "down"
  readonly local: LinkStatus
  readonly cloud: LinkStatus
}
