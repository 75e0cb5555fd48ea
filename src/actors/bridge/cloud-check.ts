/**
 * Checks that the cloud responds: a request on the current connection, and a response that came on it.
 *
 * The local broker is not involved: any client may publish something that looks like a response there.
 */
import { Deferred, Effect } from "effect"
import { CloudNotAnswering } from "../../messages/bridge.ts"
import { explainRequestRefused } from "../../messages/explain/bridge.ts"
import { explainBridgeState } from "../../messages/explain/bridge-state.ts"
import type { MqttMessage, Side } from "../../messages/mqtt.ts"
import type { BridgeSide } from "./side.ts"

export interface CloudQuestion {
  /** As published to the cloud. Each has its own id. */
  readonly question: (id: string) => MqttMessage
  /** For a message as forwarded to the local broker. A number: the status code of the cloud's refusal. */
  readonly judge: (message: MqttMessage, id: string) => "answer" | "other" | number
}

export class CloudCheck {
  private readonly asked: CloudQuestion
  private readonly sides: Readonly<Record<Side, BridgeSide>>
  private readonly waiting = new Set<{
    readonly connection: number
    readonly id: string
    readonly answer: Deferred.Deferred<MqttMessage, CloudNotAnswering>
  }>()
  private asks = 0

  constructor(asked: CloudQuestion, sides: Readonly<Record<Side, BridgeSide>>) {
    this.asked = asked
    this.sides = sides
  }

  /** A message from the cloud on this connection. */
  received(message: MqttMessage, connection: number): void {
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

  /** Sends the request on the first connection after `last`, and again on each later one: it may be lost with a connection. */
  private askFrom(last: number): Effect.Effect<MqttMessage, CloudNotAnswering> {
    const { cloud } = this.sides
    return Effect.flatMap(cloud.upAfter(last), (connection) => {
      const answered = Effect.scoped(
        Effect.gen({ self: this }, function* () {
          this.asks += 1
          // Distinguishes it from requests of the device's own programs.
          const id = `tedge-${this.asks}`
          const waiting = { connection, id, answer: Deferred.makeUnsafe<MqttMessage, CloudNotAnswering>() }
          yield* Effect.acquireRelease(
            Effect.sync(() => void this.waiting.add(waiting)),
            () => Effect.sync(() => void this.waiting.delete(waiting))
          )
          const message = this.asked.question(id)
          // Refused, or interrupted: no response, or one on the next connection.
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
