/**
 * Whether the cloud answers: a question of ours, on the connection that is, and an answer that came by it.
 *
 * The local broker has no part in it: anybody may publish there what looks like an answer.
 */
import { Deferred, Effect } from "effect"
import { CloudNotAnswering } from "../../messages/bridge.ts"
import { explainRequestRefused } from "../../messages/explain/bridge.ts"
import { explainBridgeState } from "../../messages/explain/bridge-state.ts"
import type { MqttMessage, Side } from "../../messages/mqtt.ts"
import type { BridgeSide } from "./side.ts"

export interface CloudQuestion {
  /** As it is published to the cloud. No two have the same id. */
  readonly question: (id: string) => MqttMessage
  /** Of a message as it is passed on to the local broker. A number: the status with which the cloud refused. */
  readonly judge: (message: MqttMessage, id: string) => "answer" | "other" | number
}

interface Waiting {
  readonly connection: number
  readonly id: string
  readonly answer: Deferred.Deferred<MqttMessage, CloudNotAnswering>
}

export class CloudCheck {
  private readonly asked: CloudQuestion
  private readonly sides: Readonly<Record<Side, BridgeSide>>
  private readonly waiting = new Set<Waiting>()
  private asks = 0

  constructor(asked: CloudQuestion, sides: Readonly<Record<Side, BridgeSide>>) {
    this.asked = asked
    this.sides = sides
  }

  /** A message came from the cloud by this connection. */
  heard(message: MqttMessage, connection: number): void {
    if (message.retain) return
    for (const { connection: wanted, id, answer } of this.waiting) {
      if (wanted !== connection) continue
      const said = this.asked.judge(message, id)
      if (said === "answer") Deferred.doneUnsafe(answer, Effect.succeed(message))
      else if (said !== "other") Deferred.doneUnsafe(answer, Effect.fail(refusal(said)))
    }
  }

  ask(withinMs: number): Effect.Effect<{ readonly answer: MqttMessage }, CloudNotAnswering> {
    const { local } = this.sides
    const answered = Effect.andThen(local.upAfter(0), this.askFrom(0))
    return Effect.map(answered, (answer) => ({ answer })).pipe(
      Effect.timeoutOrElse({ duration: withinMs, orElse: () => Effect.suspend(() => Effect.fail(this.silence())) })
    )
  }

  /** Asks on the first connection after `last`, and again on each that follows: a question may be lost with one. */
  private askFrom(last: number): Effect.Effect<MqttMessage, CloudNotAnswering> {
    const { cloud } = this.sides
    return Effect.flatMap(cloud.upAfter(last), (connection) => {
      const answered = Effect.scoped(
        Effect.gen({ self: this }, function* () {
          this.asks += 1
          // Told apart from requests of the device's own programs.
          const id = `tedge-${this.asks}`
          const waiting = { connection, id, answer: Deferred.makeUnsafe<MqttMessage, CloudNotAnswering>() }
          yield* Effect.acquireRelease(
            Effect.sync(() => void this.waiting.add(waiting)),
            () => Effect.sync(() => void this.waiting.delete(waiting))
          )
          const message = this.asked.question(id)
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

const refusal = (status: number) =>
  new CloudNotAnswering({ health: "up", reason: explainRequestRefused(status), status })
