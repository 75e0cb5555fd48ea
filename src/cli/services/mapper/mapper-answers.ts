/** What a mapper answers on its socket besides its status: to `tedge connect`, `tedge hsm doctor` and Prometheus. */
import { Effect, Option } from "effect"
import { explain } from "../../../messages/explain.ts"
import type { LinkStatus } from "../../../messages/mqtt.ts"
import {
  type CheckAnswer,
  type LinkAnswer,
  type MetricsAnswer,
  type StatusAnswer,
  socketVersion
} from "../../../messages/service-socket.ts"
import { type OtherQuestion, trouble } from "../service-socket.ts"
import type { Mapper } from "./mapper-graph.ts"
import { MapperMetrics } from "./mapper-metrics.ts"

export const mapperAnswer = (
  { bridge }: Pick<Mapper, "bridge">,
  service: string,
  question: OtherQuestion,
  metrics = new MapperMetrics()
): Effect.Effect<object> => {
  switch (question.ask) {
    case "status":
      return bridge.ask("Status", undefined, { within: "5 seconds" }).pipe(
        Effect.map(
          (status): StatusAnswer => ({
            version: socketVersion,
            answer: "status",
            service,
            pid: process.pid,
            bridge: {
              health: status.health,
              local: linkAnswer(status.local),
              cloud: linkAnswer(status.cloud),
              counters: status.counters
            }
          })
        ),
        Effect.catch(() => Effect.succeed(trouble("the bridge does not answer")))
      )
    case "metrics":
      return Effect.map(
        Effect.option(bridge.ask("Status", undefined, { within: "5 seconds" })),
        (status): MetricsAnswer => ({
          version: socketVersion,
          answer: "metrics",
          text: metrics.text(Option.getOrUndefined(status))
        })
      )
    case "check":
      return bridge.ask("CheckCloud", { withinMs: question.withinMs }, { within: question.withinMs + 1_000 }).pipe(
        Effect.map(
          ({ answer: { topic, payload } }): CheckAnswer => ({
            version: socketVersion,
            answer: "check",
            ok: true,
            topic,
            payload: Buffer.from(payload).toString("base64")
          })
        ),
        Effect.catch((failure) =>
          Effect.succeed(
            failure._tag === "CloudNotAnswering"
              ? ({
                  version: socketVersion,
                  answer: "check",
                  ok: false,
                  health: failure.health,
                  reason: failure.reason,
                  ...(failure.status !== undefined && { status: failure.status })
                } satisfies CheckAnswer)
              : trouble("the bridge does not answer")
          )
        )
      )
  }
}

const linkAnswer = (status: LinkStatus): LinkAnswer => {
  switch (status._tag) {
    case "Connecting":
      return { state: "connecting", attempt: status.attempt }
    case "Up":
      return { state: "up", faults: status.faults }
    case "Down": {
      const { failure, retryInMs, attempt } = status
      return { state: "down", error_tag: failure._tag, ...explain(failure), retry_in_ms: retryInMs, attempt }
    }
    case "Stopped":
      return { state: "stopped" }
  }
}
