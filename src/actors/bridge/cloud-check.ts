/**
 * Whether the cloud answers: a question of ours, on the connection that is, and an answer that came by it.
 *
 * The local broker has no part in it: anybody may publish there what looks like an answer.
 */
import { Deferred, Effect } from "effect"
import { CloudNotAnswering } from "../../messages/bridge.ts"
import { explainBridgeState } from "../../messages/explain/bridge-state.ts"
import type { MqttMessage, Side } from "../../messages/mqtt.ts"
import type { BridgeSide } from "./side.ts"

export interface CloudQuestion {
  /** As it is published to the cloud. */
  readonly question: MqttMessage
  /** Of a message as it is passed on to the local broker. */
  readonly isAnswer: (message: MqttMessage) => boolean
}

interface Waiting {
  readonly connection: number
  readonly answer: Deferred.Deferred<MqttMessage>
}

export class CloudCheck {
  private readonly asked: CloudQuestion
  private readonly sides: Readonly<Record<Side, BridgeSide>>
  private readonly waiting = new Set<Waiting>()

  constructor(asked: CloudQuestion, sides: Readonly<Record<Side, BridgeSide>>) {
    this.asked = asked
    this.sides = sides
  }

  /** A message came from the cloud by this connection. */
  heard(message: MqttMessage, connection: number): void {
    if (this.waiting.size === 0 || message.retain || !this.asked.isAnswer(message)) return
    for (const { connection: wanted, answer } of this.waiting)
      if (wanted === connection) Deferred.doneUnsafe(answer, Effect.succeed(message))
  }

  ask(withinMs: number): Effect.Effect<{ readonly answer: MqttMessage }, CloudNotAnswering> {
    const { local } = this.sides
    const answered = Effect.andThen(local.upAfter(0), this.askFrom(0))
    return Effect.map(answered, (answer) => ({ answer })).pipe(
      Effect.timeoutOrElse({ duration: withinMs, orElse: () => Effect.suspend(() => Effect.fail(this.silence())) })
    )
  }

  /** Asks on the first connection after `last`, and again on each that follows: a question may be lost with one. */
  private askFrom(last: number): Effect.Effect<MqttMessage> {
    const { cloud } = this.sides
    return Effect.flatMap(cloud.upAfter(last), (connection) => {
      const answered = Effect.scoped(
        Effect.gen({ self: this }, function* () {
          const waiting = { connection, answer: Deferred.makeUnsafe<MqttMessage>() }
          yield* Effect.acquireRelease(
            Effect.sync(() => void this.waiting.add(waiting)),
            () => Effect.sync(() => void this.waiting.delete(waiting))
          )
          const { question: message } = this.asked
          // Refused, or cut off: the answer does not come, or comes on the next connection.
          yield* Effect.forkScoped(Effect.ignore(cloud.link.ask("Publish", { message }, { within: "1 minute" })))
          return yield* Deferred.await(waiting.answer)
        })
      )
      const again = Effect.suspend(() => this.askFrom(connection))
      return Effect.raceFirst(answered, again)
    })
  }

  private silence(): CloudNotAnswering {
    const { local, cloud } = this.sides
    const health = local.isUp && cloud.isUp ? "up" : "down"
    const state = { health, local: local.status, cloud: cloud.status } as const
    const reason = explainBridgeState(state, (retryInMs) => `in ${Math.round(retryInMs / 1000)} s`)
    return new CloudNotAnswering({ health, reason: reason ?? "" })
  }
}
