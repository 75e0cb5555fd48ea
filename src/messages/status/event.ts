/** Events of a service's status stream, between its snapshots. */
import { Schema } from "effect"
import { LogLine, statusVersion, Timeline } from "./snapshot.ts"

const { Struct, Literal, Literals, String: Text, Finite, optionalKey: may } = Schema

/** Of the runtime: an actor started, ended, failed, was slow. */
const ActorChanged = Struct({
  event: Literal("actor"),
  at: Finite,
  actor: Text,
  change: Literals(["started", "ready", "failed", "restarting", "gave_up", "stopped", "slow", "dead_letter"]),
  /** Why it failed, or a message was lost. */
  reason: may(Text),
  /** When it restarts. */
  after_ms: may(Finite),
  message: may(Text),
  took_ms: may(Finite)
})

const LinkChanged = Struct({
  event: Literal("link"),
  at: Finite,
  side: Literals(["local", "cloud"]),
  state: Literals(["connecting", "up", "down", "stopped"]),
  error: may(Text),
  hint: may(Text),
  retry_in_ms: may(Finite)
})

const TokenChanged = Struct({
  event: Literal("token"),
  at: Finite,
  token: Text,
  change: Literals(["plugged", "gone", "waits", "host_replaced", "pin_latched"]),
  reason: may(Text)
})

const Signed = Struct({ event: Literal("signature"), signature: Timeline })

const Logged = Struct({ event: Literal("log"), line: LogLine })

export const StatusEvent = Schema.Union([ActorChanged, LinkChanged, TokenChanged, Signed, Logged])

export const EventLine = Struct({
  version: Literal(statusVersion),
  answer: Literal("event"),
  event: StatusEvent
})

export type StatusEvent = typeof StatusEvent.Type
export type EventLine = typeof EventLine.Type
