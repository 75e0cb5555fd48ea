/**
 * A connection to a broker, from dialling to CONNACK, as sessions and links use it.
 *
 * It is the seam for tests: a link works the same over a scripted broker.
 */
import { Effect, type Scope } from "effect"
import type { CryptokiProtocol } from "../../messages/cryptoki.ts"
import {
  BrokerSilent,
  type FailedPublish,
  type MqttMessage,
  type MqttRefusal,
  SigningCutOff,
  SigningFailed,
  type Target
} from "../../messages/mqtt.ts"
import type { ActorRef } from "../../runtime/protocol.ts"
import type { ConnectionEnded } from "./connection-ended.ts"
import { dial } from "./dial.ts"
import { type MqttConnection, openConnection, type Receiver } from "./mqtt-client.ts"
import { speaksNoMqtt5 } from "./reason-codes.ts"
import { refusalOf } from "./refusal.ts"
import { type Stopwatch, stopwatch } from "./stopwatch.ts"

export type { Inbound, Receiver } from "./mqtt-client.ts"

export interface Connection {
  readonly sessionPresent: boolean
  readonly publish: (message: MqttMessage) => Effect.Effect<void, MqttRefusal>
  /** In their order; answers which of them failed. */
  readonly publishAll: (messages: ReadonlyArray<MqttMessage>) => Effect.Effect<ReadonlyArray<FailedPublish>>
  /** One return code per filter; 128 is a refusal. */
  readonly subscribe: (filters: ReadonlyArray<string>, qos: 0 | 1) => Effect.Effect<ReadonlyArray<number>, MqttRefusal>
  readonly acknowledge: (packetIds: ReadonlyArray<number>) => Effect.Effect<void>
  readonly ended: Effect.Effect<MqttRefusal>
  readonly disconnect: Effect.Effect<void>
}

export type Connect = (target: Target, receiver: Receiver) => Effect.Effect<Connection, MqttRefusal, Scope.Scope>

export const connectWith =
  (cryptoki: ActorRef<CryptokiProtocol>): Connect =>
  (target, receiver) => {
    const watch = stopwatch()
    let waitingFor: BrokerSilent["waitingFor"] = "connection"
    const attempt = (now: Target) =>
      Effect.gen(function* () {
        waitingFor = "connection"
        const stream = yield* dial(now, { cryptoki, stopwatch: watch })
        waitingFor = "CONNACK"
        const opened = openConnection(stream, now, receiver)
        return yield* Effect.mapError(opened, (ended) => refusalOf(ended, now, "connecting"))
      })
    const connecting = Effect.gen(function* () {
      const opened = yield* Effect.catchIf(attempt(target), isOfOldBroker(target), () => attempt(oldWords(target)))
      return asConnection(opened, target)
    })
    // Judged before the loser is interrupted: what it was waiting for is the reason.
    const limit = Effect.andThen(
      Effect.sleep(target.connectWithinMs),
      Effect.suspend(() => Effect.fail(tooSlow(target, waitingFor, watch)))
    )
    return Effect.raceFirst(connecting, limit)
  }

/** The broker was asked in MQTT 5 and speaks MQTT 3.1.1 only. */
const isOfOldBroker =
  ({ receiveMaximum }: Target) =>
  (failure: MqttRefusal): boolean =>
    receiveMaximum !== undefined && failure._tag === "BrokerRefused" && failure.code === speaksNoMqtt5

const oldWords = ({ receiveMaximum: _, ...target }: Target): Target => target

const asConnection = (opened: MqttConnection, target: Target): Connection => {
  const toRefusal = (ended: ConnectionEnded) => refusalOf(ended, target, "connected")
  return {
    sessionPresent: opened.sessionPresent,
    publish: (message) => Effect.mapError(opened.publish(message), toRefusal),
    publishAll: (messages) =>
      Effect.map(opened.publishAll(messages), (failed) =>
        failed.map(({ index, because }) => ({ index, refusal: toRefusal(because) }))
      ),
    subscribe: (filters, qos) => Effect.mapError(opened.subscribe(filters, qos), toRefusal),
    acknowledge: opened.acknowledge,
    ended: Effect.map(opened.ended, toRefusal),
    disconnect: opened.disconnect
  }
}

const tooSlow = (target: Target, waitingFor: BrokerSilent["waitingFor"], watch: Stopwatch): MqttRefusal => {
  const { host, port, connectWithinMs: afterMs } = target
  return watch.isRunning()
    ? new SigningFailed({ host, cause: new SigningCutOff({ reason: "timeout", afterMs: watch.elapsed() ?? afterMs }) })
    : new BrokerSilent({ host, port, waitingFor, afterMs, signingMs: watch.elapsed() })
}
