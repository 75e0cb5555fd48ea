/** One MQTT session for a step of a command: opened, used and closed by one asker. */
import { Effect, Exit, Queue, Scope } from "effect"
import {
  BrokerSilent,
  ConnectionLost,
  type MqttMessage,
  type MqttRefusal,
  type MqttSessionProtocol,
  SubscriptionRefused,
  type Target
} from "../../messages/mqtt.ts"
import type { Behaviour, MailboxSpec } from "../../runtime/actor.ts"
import type { BrokerConnection, Connect } from "./broker-connection.ts"
import { isRefused, subscriptionFaults } from "./client/subscription-filter.ts"

export const sessionMailbox: MailboxSpec = { capacity: 64, overflow: { policy: "refuse" } }

export const sessionBehaviour = (connect: Connect): Behaviour<MqttSessionProtocol> => ({
  // Waiting for the next message must not delay a publish.
  concurrent: { tags: ["Next", "Publish"], inFlight: 32 },
  init: () =>
    Effect.gen(function* () {
      let session: OpenSession | undefined
      const close = Effect.suspend(() => {
        const closing = session
        session = undefined
        return closing === undefined
          ? Effect.void
          : Effect.andThen(closing.connection.disconnect, Scope.close(closing.scope, Exit.void))
      })
      const current = Effect.suspend(() => (session === undefined ? Effect.fail(nothingOpen) : Effect.succeed(session)))
      yield* Effect.addFinalizer(() => close)
      return {
        Open: ({ target }) =>
          Effect.gen(function* () {
            yield* close
            session = yield* openSession(connect, target)
            return { sessionPresent: session.connection.sessionPresent }
          }),
        Publish: ({ message }) =>
          Effect.flatMap(current, (open) => answered(open.connection.publish(message), open.target, "PUBACK")),
        Subscribe: ({ filters, qos }) => Effect.flatMap(current, (open) => subscribe(open, filters, qos)),
        Next: () => Effect.flatMap(current, ({ inbox }) => Queue.take(inbox)),
        Close: () => close
      }
    })
})

interface OpenSession {
  readonly target: Target
  readonly connection: BrokerConnection
  readonly inbox: Queue.Queue<MqttMessage, MqttRefusal>
  readonly scope: Scope.Closeable
}

const openSession = (connect: Connect, target: Target): Effect.Effect<OpenSession, MqttRefusal> =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const inbox = yield* Queue.sliding<MqttMessage, MqttRefusal>(longestInbox)
    const opening = connect(target, {
      // A kept session belongs to another program: its queued messages stay there.
      acknowledged: target.cleanSession ? "atOnce" : "later",
      onMessage: ({ message }) => void Queue.offerUnsafe(inbox, message)
    })
    const connection = yield* Scope.provide(opening, scope).pipe(
      Effect.onExit((exit) => (Exit.isFailure(exit) ? Scope.close(scope, exit) : Effect.void))
    )
    const failInbox = Effect.flatMap(connection.ended, (refusal) => Queue.fail(inbox, refusal))
    yield* Effect.forkIn(failInbox, scope)
    return { target, connection, inbox, scope }
  })

const subscribe = ({ connection, target }: OpenSession, filters: ReadonlyArray<string>, qos: 0 | 1) =>
  Effect.flatMap(answered(connection.subscribe(filters, qos), target, "SUBACK"), (codes) => {
    const refused = subscriptionFaults(filters, codes, 0).filter(isRefused)
    const { host, port } = target
    return refused.length === 0 ? Effect.void : Effect.fail(new SubscriptionRefused({ host, port, filters: refused }))
  })

const answered = <A>(
  effect: Effect.Effect<A, MqttRefusal>,
  { host, port }: Target,
  waitingFor: "PUBACK" | "SUBACK"
): Effect.Effect<A, MqttRefusal> =>
  Effect.timeoutOrElse(effect, {
    duration: answerWithinMs,
    orElse: () =>
      Effect.fail(new BrokerSilent({ host, port, waitingFor, afterMs: answerWithinMs, signingMs: undefined }))
  })

/** Asked before Open, or after Close. */
const nothingOpen = new ConnectionLost({ host: "", port: 0, stage: "connecting", detail: "no session is open" })

const answerWithinMs = 10_000

const longestInbox = 1_000
