/**
 * A connection to a broker, from dialling to CONNACK, for sessions and links.
 *
 * Tests replace it: a link behaves the same over a scripted broker.
 */
import { Effect, Exit, type Scope } from "effect"
import type { CryptokiProtocol } from "../../messages/cryptoki.ts"
import { BrokerSilent, type MqttRefusal, SigningFailed, SigningInterrupted, type Target } from "../../messages/mqtt.ts"
import type { ActorRef } from "../../runtime/protocol.ts"
import { spanned } from "../../runtime/span.ts"
import { type ConnectionEnded, speaksNoMqtt5 } from "./client/connection-lifetime.ts"
import { type InboundHandler, type MqttConnection, openConnection } from "./client/mqtt-client.ts"
import { dial } from "./dial/dial.ts"
import { refusalOf } from "./dial/refusal.ts"
import { type Handshake, TlsTickets } from "./dial/resumption.ts"
import { type MeasuredHop, type Stopwatch, stopwatch } from "./dial/stopwatch.ts"
import { OldBrokers, Unopened } from "./old-brokers.ts"

export type { Inbound, InboundHandler } from "./client/mqtt-client.ts"

export interface BrokerConnection extends MqttConnection {
  /** Undefined: without TLS, or without a key. */
  readonly handshake: Handshake | undefined
}

export type Connect = (
  target: Target,
  handler: InboundHandler
) => Effect.Effect<BrokerConnection, MqttRefusal, Scope.Scope>

/** A connection attempt that asked the token for a signature. */
export interface SignedAttempt {
  readonly host: string
  readonly hops: ReadonlyArray<MeasuredHop>
  /** `ok`, or the tag of the refusal. */
  readonly outcome: string
}

/** Links that share it share its caches: which brokers speak MQTT 3.1.1 only, and TLS sessions. */
export const connectWith = (
  cryptoki: ActorRef<CryptokiProtocol>,
  onSigned: (attempt: SignedAttempt) => Effect.Effect<void> = () => Effect.void
): Connect => {
  const oldBrokers = new OldBrokers()
  const tickets = new TlsTickets()
  return (target, handler) => {
    const watch = stopwatch()
    let waitingFor: BrokerSilent["waitingFor"] = "connection"
    const attempt = (now: Target) =>
      Effect.gen(function* () {
        waitingFor = "connection"
        const { stream, handshake } = yield* Effect.tapError(
          dial(now, { cryptoki, stopwatch: watch, tickets }),
          (refusal) => Effect.sync(() => forgetSessions(tickets, now, refusal))
        )
        waitingFor = "CONNACK"
        const judge = (ended: ConnectionEnded) => refusalOf(ended, now, "connected")
        const connack = spanned("mqtt CONNACK", {}, openConnection(stream, now, handler, judge))
        const opening = Effect.map(
          watch.step("CONNACK", connack),
          (opened): BrokerConnection => ({ ...opened, handshake })
        )
        return yield* Effect.mapError(opening, (ended) => {
          const refusal = refusalOf(ended, now, "connecting")
          forgetSessions(tickets, now, refusal)
          return new Unopened({
            refusal,
            isOfOldBroker: target.receiveMaximum !== undefined && saysOld(ended, refusal)
          })
        })
      }).pipe(
        Effect.mapError((failure) =>
          failure._tag === "Unopened" ? failure : new Unopened({ refusal: failure, isOfOldBroker: false })
        )
      )
    const connecting = Effect.mapError(oldBrokers.ask(target, attempt), ({ refusal }) => refusal)
    // Evaluated before the loser is interrupted: the pending step is the reason.
    const limit = Effect.andThen(
      Effect.sleep(target.connectWithinMs),
      Effect.suspend(() => Effect.fail(tooSlow(target, waitingFor, watch)))
    )
    const span = {
      kind: "client",
      attributes: () => ({
        "messaging.system": "mqtt",
        "network.protocol.name": "mqtt",
        "network.transport": "tcp",
        "server.address": target.host,
        "server.port": target.port,
        "tedge.identity": target.tls?.identity.kind ?? "none"
      })
    } as const
    return Effect.onExit(spanned("mqtt connect", span, Effect.raceFirst(connecting, limit)), (exit) => {
      const hops = watch.hops()
      if (!hops.some(({ name }) => name === "sign")) return Effect.void
      return onSigned({ host: target.host, hops, outcome: outcomeOf(exit) })
    })
  }
}

const outcomeOf = (exit: Exit.Exit<unknown, MqttRefusal>): string => {
  if (Exit.isSuccess(exit)) return "ok"
  const failure = Exit.findErrorOption(exit)
  return failure._tag === "Some" ? failure.value._tag : "interrupted"
}

/** After a refusal the key signs again; after a lost connection the next session may be used. */
const forgetSessions = (tickets: TlsTickets, { host, port }: Target, refusal: MqttRefusal): void => {
  if (refusal._tag === "BrokerRefused" || refusal._tag === "TlsFailed") tickets.forget(`${host}:${port}`)
}

/** A broker that supports only MQTT 3.1.1 refuses MQTT 5, or closes the connection (3.1.1, 3.1.2.2 and 4.8). */
const saysOld = ({ reason }: ConnectionEnded, refusal: MqttRefusal): boolean =>
  (refusal._tag === "BrokerRefused" && refusal.code === speaksNoMqtt5) ||
  (refusal._tag === "ConnectionLost" && reason.kind !== "protocol" && reason.kind !== "silent")

const tooSlow = (target: Target, waitingFor: BrokerSilent["waitingFor"], watch: Stopwatch): MqttRefusal => {
  const { host, port, connectWithinMs: afterMs } = target
  return watch.isRunning()
    ? new SigningFailed({
        host,
        cause: new SigningInterrupted({ reason: "timeout", afterMs: watch.elapsed() ?? afterMs })
      })
    : new BrokerSilent({ host, port, waitingFor, afterMs, signingMs: watch.elapsed() })
}
