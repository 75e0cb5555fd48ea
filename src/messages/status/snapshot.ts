/**
 * The status of a running service: one object, as sent on the service's socket (docs/observing.md).
 *
 * Parts that a service does not have are absent: the signing service has no bridge, a mapper that signs through it has no
 * token. Times `at`, `since`, `…_at` are milliseconds since 1970, durations `…_ms` are of the monotonic clock. Nothing in it is
 * secret: no payload, no PIN; URIs are printed without a PIN. Readers ignore unknown fields.
 */
import { Schema } from "effect"

/** Increased when a reader of the previous version would misread a snapshot or an event; not for new fields and events. */
export const statusVersion = 1

const { Struct, Array: List, Literals, String: Text, Finite, Boolean: Flag, optionalKey: may } = Schema

/** Why something is not in order, in the words of the commands. */
const trouble = {
  /** The tag of the refusal. */
  error_tag: may(Text),
  error: may(Text),
  hint: may(Text)
}

const ServiceFacts = Struct({
  /** Of its unit and its socket: `tedge-mapper-c8y`. */
  name: Text,
  version: Text,
  pid: Finite,
  started_at: Finite,
  uptime_ms: Finite,
  memory: Struct({ rss_bytes: Finite, heap_bytes: Finite })
})

/** One broker that is kept connected. */
export const LinkFacts = Struct({
  host: Text,
  port: Finite,
  state: Literals(["connecting", "up", "down", "stopped"]),
  since: Finite,
  ...trouble,
  /** If down: when the next attempt is made, and the number of attempts before it. */
  retry_at: may(Finite),
  attempt: may(Finite),
  /** Connections since the start of the service. */
  connections: Finite,
  /** When the previous connection was lost, and why. */
  last_lost: may(Struct({ at: Finite, ...trouble })),
  /** Subscriptions that were not granted as requested. */
  faults: may(List(Struct({ filter: Text, code: Finite })))
})

export const CertificateFacts = Struct({
  path: Text,
  subject: Text,
  issuer: Text,
  /** Where the private key of the connection is; `none`: the connection uses a password. */
  key: Literals(["token", "file", "none"]),
  valid_from: Finite,
  valid_until: Finite,
  /** From then on `tedge cert needs-renewal` reports that renewal is needed. */
  renew_from: Finite
})

const ConnectionFacts = Struct({
  cloud: Literals(["c8y", "az", "aws"]),
  profile: may(Text),
  device_id: Text,
  link: LinkFacts,
  /** Of the present or last connection: whether the key signed, or a TLS session was resumed without it. */
  handshake: may(Literals(["signed", "resumed"])),
  certificate: may(CertificateFacts)
})

/** One step of a signature or a message. */
export const Hop = Struct({
  /**
   * Of a connection: `TCP`, `TLS`, `choose scheme`, `sign`, `CONNACK`. Of a request to the signing service: `accept`,
   * `decode`, `queue`, `find key`, `token host` and in it `sign`, `answer`. Of a message: `bridge`, `publish, until PUBACK`,
   * `acknowledge`.
   */
  name: Text,
  /** The actor that performed it. */
  actor: may(Text),
  /** From the start of the timeline. */
  at_ms: Finite,
  took_ms: Finite
})

export const Timeline = Struct({
  at: Finite,
  took_ms: Finite,
  /** For a message: its topic and direction. For a signature: the token or host. */
  about: Text,
  direction: may(Literals(["outbound", "inbound"])),
  /** `ok`, or the tag of the refusal. */
  outcome: Text,
  hops: List(Hop)
})

export const SignatureFacts = Struct({
  /** Since the start of the service. */
  count: Finite,
  failed: Finite,
  last: may(Struct({ at: Finite, took_ms: Finite, outcome: Text })),
  /** Of all of them together. */
  took_ms: Finite,
  longest_ms: Finite
})

export const TokenFacts = Struct({
  /** Its label; empty: none was chosen yet. */
  token: Text,
  state: Literals(["there", "gone", "waiting", "unknown"]),
  since: may(Finite),
  reason: may(Text),
  /** `latched`: the PIN was refused once and is not tried again. `locked`: the token accepts no PIN any more. */
  pin: Literals(["ok", "latched", "locked", "unknown"]),
  signatures: SignatureFacts
})

/** Access to the private key. */
export const KeyFacts = Struct({
  /** `module`: in this process; `socket`: through the signing service; `file`: a key file. */
  via: Literals(["module", "socket", "file", "none"]),
  /** Of the module, socket or file. */
  path: may(Text),
  /** As configured, without PIN. */
  uri: may(Text),
  /** Of all tokens together. */
  signatures: SignatureFacts,
  tokens: List(TokenFacts)
})

/** One value per bucket, oldest first; the last bucket is not complete yet. */
export const History = Struct({ bucket_ms: Finite, messages: List(Finite), bytes: List(Finite) })

export const DirectionFacts = Struct({
  /** Forwarded since the bridge started. Bytes of payload. */
  messages: Finite,
  bytes: Finite,
  /** Not acknowledged yet by the receiving side, and how long the first of them has waited. */
  waiting: Finite,
  oldest_ms: Finite,
  /** Refused temporarily; retried later. */
  held_back: Finite,
  /** Refused permanently, too large, or QoS 0 lost with a connection. */
  dropped: Finite,
  history: History
})

export const BridgeFacts = Struct({
  state: Literals(["up", "down"]),
  since: Finite,
  outbound: DirectionFacts,
  inbound: DirectionFacts
})

export const SupervisorNode = Struct({
  name: Text,
  /** Absent: it is the root. */
  supervisor: may(Text),
  strategy: Literals(["one_for_one", "rest_for_one", "one_for_all"]),
  /** More than `max` restarts in `within_ms` reach the limit. */
  max: Finite,
  within_ms: Finite,
  on_exhausted: Literals(["escalate", "park"])
})

/** Counted from the first start of the actor; a restart does not reset them. */
export const ActorNode = Struct({
  name: Text,
  supervisor: Text,
  state: Literals(["idle", "starting", "ready", "stopping", "waiting", "parked", "stopped"]),
  /** Why it is parked, and when it restarts. */
  reason: may(Text),
  retry_in_ms: may(Finite),
  /** The actors it sends to. */
  peers: List(Text),
  overflow: Literals(["block", "refuse", "coalesce", "drop"]),
  capacity: Finite,
  depth: Finite,
  max_depth: Finite,
  /** Senders that wait for room. */
  held: Finite,
  oldest_ms: Finite,
  handling: List(Struct({ message: Text, for_ms: Finite })),
  handled: Finite,
  wait_ms: Finite,
  longest_wait_ms: Finite,
  handling_ms: Finite,
  longest_handling_ms: Finite,
  restarts: Finite,
  dropped: Finite,
  coalesced: Finite,
  refused: Finite,
  dead_letters: Finite,
  late_answers: Finite
})

export const LogLine = Struct({
  at: Finite,
  level: Literals(["error", "warn", "info", "debug", "trace"]),
  target: Text,
  text: Text
})

export const Snapshot = Struct({
  version: Schema.Literal(statusVersion),
  answer: Schema.Literal("snapshot"),
  at: Finite,
  service: ServiceFacts,
  connection: may(ConnectionFacts),
  key: may(KeyFacts),
  bridge: may(BridgeFacts),
  /** The local broker. */
  broker: may(LinkFacts),
  clients: may(
    Struct({
      connections: Finite,
      answering: Finite,
      served: Finite,
      refused: Finite,
      aborted: Finite
    })
  ),
  supervisors: List(SupervisorNode),
  actors: List(ActorNode),
  /** The last handshake, or request, that required a signature. */
  signature: may(Timeline),
  /** A sampled message: present while the service is watched. */
  message: may(Timeline),
  /** The last lines of the log, oldest first. */
  log: List(LogLine),
  /** In a stream: events that this reader missed since the previous snapshot, because it read too slowly. */
  missed: may(Finite),
  /** A part of the service did not respond in time: its facts are absent. */
  silent: may(Flag)
})

export type LinkFacts = typeof LinkFacts.Type
export type CertificateFacts = typeof CertificateFacts.Type
export type Hop = typeof Hop.Type
export type Timeline = typeof Timeline.Type
export type SignatureFacts = typeof SignatureFacts.Type
export type TokenFacts = typeof TokenFacts.Type
export type KeyFacts = typeof KeyFacts.Type
export type History = typeof History.Type
export type DirectionFacts = typeof DirectionFacts.Type
export type BridgeFacts = typeof BridgeFacts.Type
export type SupervisorNode = typeof SupervisorNode.Type
export type ActorNode = typeof ActorNode.Type
export type LogLine = typeof LogLine.Type
export type Snapshot = typeof Snapshot.Type
