/**
 * What the MQTT actors understand: short sessions (a step of `tedge connect`) and links that are kept up (the bridge).
 *
 * A `Target` says where to and as whom; it carries no key, only which key: the TLS layer asks CryptokiActor.
 */
import { Data, type Redacted } from "effect"
import type { ActorRef, Ask, Tell } from "../runtime/protocol.ts"
import type { KeySelector } from "./cryptoki.ts"
import type { AddonNotLoaded } from "./platform.ts"
import type { TokenRefusal } from "./token-refusals.ts"

export interface MqttMessage {
  readonly topic: string
  readonly payload: Uint8Array
  readonly qos: 0 | 1
  readonly retain: boolean
}

/** How the client shows who it is in TLS. */
export type TlsIdentity =
  /** The key stays in the token; the certificate chain (PEM, leaf first or not) is read from the file. */
  | { readonly kind: "token"; readonly certPath: string; readonly key: KeySelector }
  | { readonly kind: "keyFile"; readonly certPath: string; readonly keyPath: string }
  | { readonly kind: "none" }

/** The cloud a target is, and the profile its settings are in: for hints. */
export interface TargetCloud {
  readonly name: "c8y" | "az" | "aws"
  readonly profile: string | undefined
}

export interface Target {
  /** Undefined: the local broker. */
  readonly cloud?: TargetCloud
  readonly host: string
  readonly port: number
  readonly clientId: string
  /** Seconds. */
  readonly keepalive: number
  readonly cleanSession: boolean
  /**
   * MQTT 5 is spoken, and the broker may send so many messages of QoS 1 that are not acknowledged (5.0, 3.1.2.11.3). A
   * broker that speaks only MQTT 3.1.1 keeps to a limit of its own. Undefined: MQTT 3.1.1.
   */
  readonly receiveMaximum?: number
  /** A PUBLISH of more bytes is discarded on arrival. Undefined: a little more than 1 MiB. */
  readonly maximumPacketSize?: number
  readonly username?: string
  readonly password?: Redacted.Redacted<string>
  readonly will?: MqttMessage
  /** Undefined: plain TCP. */
  readonly tls?: {
    readonly identity: TlsIdentity
    /** Files or directories with PEM certificates that are trusted. */
    readonly caPath: string
    /**
     * TLS 1.3 sessions of earlier connections are resumed, so that no signature is needed. Only for reconnections of the
     * mapper: a command shows that the key works.
     */
    readonly resumesSessions?: true
  }
  /** Publishes a second at most; undefined or 0: as many as come. */
  readonly publishRate?: number
  readonly proxy?: {
    readonly url: string
    readonly username?: string
    readonly password?: Redacted.Redacted<string>
  }
  /** From dialling to CONNACK, milliseconds. Tokens may sign slowly: 60,000 for the cloud. */
  readonly connectWithinMs: number
}

/** The host could not be reached. */
export class DialFailed extends Data.TaggedError("DialFailed")<{
  readonly host: string
  readonly port: number
  /** `ECONNREFUSED`, `ENOTFOUND`, `EHOSTUNREACH` and the like, or `proxy` with the proxy's status. */
  readonly code: string
  readonly detail: string
}> {}

/** The TLS handshake failed. */
export class TlsFailed extends Data.TaggedError("TlsFailed")<{
  readonly host: string
  readonly port: number
  readonly reason:
    | "serverNotTrusted"
    | "hostMismatch"
    | "serverCertificateExpired"
    | "serverCertificateNotYetValid"
    /** Verified, but weaker than is accepted, or a CA certificate. */
    | "serverCertificateUnfit"
    | "certificateRefused"
    | "certificateExpired"
    | "certificateRequired"
    | "handshakeRefused"
    | "protocolVersion"
    | "signatureMismatch"
    | "notTls"
    | "other"
  /** OpenSSL's own words, or the alert's name. */
  readonly detail: string
  readonly cloud?: TargetCloud | undefined
}> {}

/** A file the connection needs cannot be used. */
export class CredentialUnusable extends Data.TaggedError("CredentialUnusable")<{
  readonly path: string
  readonly role: "certificate" | "key" | "trusted certificates" | "credentials" | "password"
  readonly reason: "missing" | "noPermission" | "isDirectory" | "malformed" | "der" | "ambiguous" | "empty" | "tooLarge"
  readonly detail: string
}> {}

/** Certificate and private key do not belong together. Found before anything is sent. */
export class KeyMismatch extends Data.TaggedError("KeyMismatch")<{
  readonly certPath: string
  /** Path of the key file, or URI of the key without PIN. */
  readonly key: string
}> {}

/** The token refused while the handshake waited for its signature. */
export class SigningFailed extends Data.TaggedError("SigningFailed")<{
  readonly host: string
  readonly cause: TokenRefusal | SigningInterrupted
}> {}

/** The asker's time ran out, or the signing actor ended, before the token answered. */
export class SigningInterrupted extends Data.TaggedError("SigningInterrupted")<{
  readonly reason: "timeout" | "down" | "full" | "stopped"
  readonly afterMs: number
  /** Of `stopped`: it was given up for a while, and is started again then. */
  readonly retryInMs?: number
}> {}

/** The broker answered CONNECT with a refusal (MQTT 3.1.1, 3.2.2.3). */
export class BrokerRefused extends Data.TaggedError("BrokerRefused")<{
  readonly host: string
  readonly port: number
  /** 1 to 5; what MQTT 5 says in CONNACK, or in PUBACK for a refused publish: 128 or more. */
  readonly code: number
  readonly detail: string
  readonly cloud?: TargetCloud | undefined
}> {}

/** One topic filter that was not granted as it was asked for. */
export interface SubscriptionFault {
  readonly filter: string
  /** SUBACK (MQTT 5.0, 3.9.3): 128 and above are refusals, 0 is QoS 0 where QoS 1 was asked for. */
  readonly code: number
}

/** The broker refused subscriptions. */
export class SubscriptionRefused extends Data.TaggedError("SubscriptionRefused")<{
  readonly host: string
  readonly port: number
  readonly filters: ReadonlyArray<SubscriptionFault>
}> {}

/** The reason of a broker that let another in with the same client id (MQTT 5.0, 3.14.2.1). */
export const sessionTakenOver = 0x8e

/** The broker sent DISCONNECT (MQTT 5.0, 3.14). */
export class BrokerDisconnected extends Data.TaggedError("BrokerDisconnected")<{
  readonly host: string
  readonly port: number
  readonly code: number
  /** The broker's own words. */
  readonly detail: string
}> {}

/** Established connections ended within seconds, several times: as when two clients use one client id. */
export class ClientIdContested extends Data.TaggedError("ClientIdContested")<{
  readonly host: string
  readonly port: number
  readonly clientId: string
  /** How many connections in a row. */
  readonly times: number
}> {}

/** The connection ended: before CONNACK, or later. */
export class ConnectionLost extends Data.TaggedError("ConnectionLost")<{
  readonly host: string
  readonly port: number
  readonly stage: "connecting" | "connected"
  /** Undefined: the broker, as far as can be seen. `us`: for what it sent. `network`: also a ping without an answer. */
  readonly endedBy?: "network" | "us" | undefined
  readonly detail: string
  readonly cloud?: TargetCloud | undefined
}> {}

/** No CONNACK, SUBACK or PUBACK in time. */
export class BrokerSilent extends Data.TaggedError("BrokerSilent")<{
  readonly host: string
  readonly port: number
  readonly waitingFor: "connection" | "CONNACK" | "SUBACK" | "PUBACK"
  readonly afterMs: number
  /** How long the token took of it; undefined: no signature was asked for. */
  readonly signingMs: number | undefined
}> {}

export type MqttRefusal =
  | AddonNotLoaded
  | DialFailed
  | TlsFailed
  | CredentialUnusable
  | KeyMismatch
  | SigningFailed
  | BrokerRefused
  | SubscriptionRefused
  | BrokerDisconnected
  | ClientIdContested
  | ConnectionLost
  | BrokerSilent

/** One MQTT session, opened and closed by its user. At most one is open. */
export type MqttSessionProtocol = {
  /** CONNACK was received. */
  readonly Open: Ask<{ readonly target: Target }, { readonly sessionPresent: boolean }, MqttRefusal>
  /** QoS 1: PUBACK was received. */
  readonly Publish: Ask<{ readonly message: MqttMessage }, void, MqttRefusal>
  readonly Subscribe: Ask<{ readonly filters: ReadonlyArray<string>; readonly qos: 0 | 1 }, void, MqttRefusal>
  /** The next message of a subscription, in order of arrival; at most 1,000 wait, the oldest are dropped. */
  readonly Next: Ask<void, MqttMessage, MqttRefusal>
  /** Sends DISCONNECT. Closing a closed session does nothing. */
  readonly Close: Ask<void, void>
}

export type LinkStatus =
  | { readonly _tag: "Connecting"; readonly attempt: number }
  /** CONNACK and every SUBACK were received: messages flow. */
  | {
      readonly _tag: "Up"
      readonly sessionPresent: boolean
      /** Counted from 1; never used twice by one link, not even after a restart. */
      readonly connection: number
      /** Subscriptions that the link can do without, and those of a lower QoS. */
      readonly faults: ReadonlyArray<SubscriptionFault>
      /** How TLS was set up; undefined: without TLS, or without a key. */
      readonly handshake?: "resumed" | "signed" | undefined
    }
  | { readonly _tag: "Down"; readonly failure: MqttRefusal; readonly retryInMs: number; readonly attempt: number }
  | { readonly _tag: "Stopped" }

/** One broker, kept connected. */
export type LinkProtocol = {
  /**
   * Answers when the broker has acknowledged (QoS 1) or the bytes have left (QoS 0). Waits while the link is down;
   * cut off by the link going down, it is refused and may have been delivered.
   */
  readonly Publish: Ask<{ readonly message: MqttMessage }, void, MqttRefusal>
  /**
   * As Publish, for several in their order, on this connection only; answers when the outcome is known of each of
   * it. `sent` is false when the connection is closed: then nothing was sent.
   */
  readonly PublishAll: Ask<
    { readonly messages: ReadonlyArray<MqttMessage>; readonly connection: number },
    { readonly sent: boolean; readonly failed: ReadonlyArray<FailedPublish> }
  >
  /**
   * The receiver is done with these messages: there is room for others, and with QoS 1 only now does the broker
   * forget them. Late ones are ignored.
   */
  readonly Acknowledge: Tell<{ readonly deliveries: ReadonlyArray<number> }>
  /** Something changed for the better (the token is back): do not sit out the wait. */
  readonly RetryNow: Tell<{ readonly because: string }>
  readonly Status: Ask<void, LinkStatus>
}

export type Side = "local" | "cloud"

/** Messages a link received, in order. Its receiver sends each `delivery` back with Acknowledge, whatever its QoS. */
export interface Received {
  readonly side: Side
  readonly deliveries: ReadonlyArray<Delivery>
}

export interface Delivery {
  /** Never used twice by one link, not even after a restart. */
  readonly delivery: number
  readonly message: MqttMessage
}

/** It was not acknowledged, and may have been delivered. */
export interface FailedPublish {
  /** Its place among those that were published together. */
  readonly index: number
  readonly refusal: MqttRefusal
}

/** The protocol of a link's owner. */
export type LinkUserProtocol = {
  readonly Received: Tell<Received>
  readonly LinkChanged: Tell<{ readonly side: Side; readonly status: LinkStatus }>
}

/** Any actor that understands at least that. */
export type LinkUserRef = Pick<ActorRef<LinkUserProtocol>, keyof ActorRef<LinkUserProtocol>>
