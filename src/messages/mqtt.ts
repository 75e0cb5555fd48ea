/**
 * Protocols of the MQTT actors: short sessions (a step of `tedge connect`) and persistent links (the bridge).
 *
 * A `Target` contains address and identity, but no key: the TLS layer asks CryptokiActor for signatures.
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

/** The client's identity in TLS. */
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
   * Uses MQTT 5 with this Receive Maximum: the number of unacknowledged QoS 1 messages the broker may send (5.0, 3.1.2.11.3).
   * A broker that speaks only MQTT 3.1.1 has a limit of its own. Undefined: MQTT 3.1.1.
   */
  readonly receiveMaximum?: number
  /** A larger PUBLISH is discarded on arrival. In bytes; undefined: a little more than 1 MiB. */
  readonly maximumPacketSize?: number
  readonly username?: string
  readonly password?: Redacted.Redacted<string>
  readonly will?: MqttMessage
  /** Undefined: plain TCP. */
  readonly tls?: {
    readonly identity: TlsIdentity
    /** Files or directories with trusted PEM certificates. */
    readonly caPath: string
    /**
     * Resumes TLS 1.3 sessions of earlier connections, without a signature. Only for reconnections of the mapper: a command
     * must show that the key works.
     */
    readonly resumesSessions?: true
  }
  /** Maximum number of publishes per second; undefined or 0: unlimited. */
  readonly publishRate?: number
  readonly proxy?: {
    readonly url: string
    readonly username?: string
    readonly password?: Redacted.Redacted<string>
  }
  /** From connecting to CONNACK, milliseconds. Tokens may sign slowly: 60,000 for the cloud. */
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
    /** Verified, but too weak, or a CA certificate. */
    | "serverCertificateUnfit"
    | "certificateRefused"
    | "certificateExpired"
    | "certificateRequired"
    | "handshakeRefused"
    | "protocolVersion"
    | "signatureMismatch"
    | "notTls"
    | "other"
  /** OpenSSL's message, or the alert's name. */
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

/** Certificate and private key do not match. Detected before anything is sent. */
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

/** The time limit ended, or the signing actor stopped, before the token responded. */
export class SigningInterrupted extends Data.TaggedError("SigningInterrupted")<{
  readonly reason: "timeout" | "down" | "full" | "stopped"
  readonly afterMs: number
  /** Of `stopped`: it is parked, and restarted then. */
  readonly retryInMs?: number
}> {}

/** The broker answered CONNECT with a refusal (MQTT 3.1.1, 3.2.2.3). */
export class BrokerRefused extends Data.TaggedError("BrokerRefused")<{
  readonly host: string
  readonly port: number
  /** 1 to 5; with MQTT 5 the reason code of CONNACK, or of PUBACK for a refused publish: 128 or more. */
  readonly code: number
  readonly detail: string
  readonly cloud?: TargetCloud | undefined
}> {}

/** One topic filter that was not granted as requested. */
export interface SubscriptionFault {
  readonly filter: string
  /** SUBACK (MQTT 5.0, 3.9.3): 128 and above are refusals; 0 is QoS 0 where QoS 1 was requested. */
  readonly code: number
}

/** The broker refused subscriptions. */
export class SubscriptionRefused extends Data.TaggedError("SubscriptionRefused")<{
  readonly host: string
  readonly port: number
  readonly filters: ReadonlyArray<SubscriptionFault>
}> {}

/** The reason code for a session taken over by another client with the same id (MQTT 5.0, 3.14.2.1). */
export const sessionTakenOver = 0x8e

/** The broker sent DISCONNECT (MQTT 5.0, 3.14). */
export class BrokerDisconnected extends Data.TaggedError("BrokerDisconnected")<{
  readonly host: string
  readonly port: number
  readonly code: number
  /** The broker's own reason string. */
  readonly detail: string
}> {}

/** Connections ended within seconds several times: typical of two clients with the same client id. */
export class ClientIdContested extends Data.TaggedError("ClientIdContested")<{
  readonly host: string
  readonly port: number
  readonly clientId: string
  /** Number of consecutive connections. */
  readonly times: number
}> {}

/** The connection ended: before CONNACK, or later. */
export class ConnectionLost extends Data.TaggedError("ConnectionLost")<{
  readonly host: string
  readonly port: number
  readonly stage: "connecting" | "connected"
  /** Undefined: the broker, as far as known. `us`: because of what it sent. `network`: also an unanswered ping. */
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
  /** The token's part of it; undefined: no signature was requested. */
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
  /** CONNACK and every SUBACK were received: messages can flow. */
  | {
      readonly _tag: "Up"
      readonly sessionPresent: boolean
      /** Counted from 1; unique for a link, even across restarts. */
      readonly connection: number
      /** Refused subscriptions that the link can do without, and those granted with a lower QoS. */
      readonly faults: ReadonlyArray<SubscriptionFault>
      /** How TLS was set up; undefined: without TLS, or without a key. */
      readonly handshake?: "resumed" | "signed" | undefined
    }
  | { readonly _tag: "Down"; readonly failure: MqttRefusal; readonly retryInMs: number; readonly attempt: number }
  | { readonly _tag: "Stopped" }

/** One broker, kept connected. */
export type LinkProtocol = {
  /**
   * Completes when the broker has acknowledged (QoS 1) or the bytes are written (QoS 0). Waits while the link is down;
   * interrupted by a disconnect, it is refused and may have been delivered.
   */
  readonly Publish: Ask<{ readonly message: MqttMessage }, void, MqttRefusal>
  /**
   * As Publish, for several in order, on the current connection only; completes when all outcomes are known.
   * `sent` is false if the connection is closed: then nothing was sent.
   */
  readonly PublishAll: Ask<
    { readonly messages: ReadonlyArray<MqttMessage>; readonly connection: number },
    { readonly sent: boolean; readonly failed: ReadonlyArray<FailedPublish> }
  >
  /**
   * The receiver is done with these messages: their room is free, and with QoS 1 only now PUBACK is sent. Late ones are
   * ignored.
   */
  readonly Acknowledge: Tell<{ readonly deliveries: ReadonlyArray<number> }>
  /** Something improved (the token is back): end the back-off early. */
  readonly RetryNow: Tell<{ readonly because: string }>
  readonly Status: Ask<void, LinkStatus>
}

export type Side = "local" | "cloud"

/** Messages a link received, in order. Its receiver returns each `delivery` with Acknowledge, whatever its QoS. */
export interface Received {
  readonly side: Side
  readonly deliveries: ReadonlyArray<Delivery>
}

export interface Delivery {
  /** Unique for a link, even across restarts. */
  readonly delivery: number
  readonly message: MqttMessage
}

/** It was not acknowledged, and may have been delivered. */
export interface FailedPublish {
  /** Its index among those published together. */
  readonly index: number
  readonly refusal: MqttRefusal
}

/** The protocol of a link's owner. */
export type LinkUserProtocol = {
  readonly Received: Tell<Received>
  readonly LinkChanged: Tell<{ readonly side: Side; readonly status: LinkStatus }>
}

/** Any actor whose protocol includes that. */
export type LinkUserRef = Pick<ActorRef<LinkUserProtocol>, keyof ActorRef<LinkUserProtocol>>
