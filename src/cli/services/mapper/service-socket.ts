/** The mapper's own UNIX socket: how it is, and whether the cloud answers. For `tedge connect`, doctor and status. */
import { Effect, Option, type Scope } from "effect"
import type { BridgeStatus } from "../../../messages/bridge.ts"
import { explain } from "../../../messages/explain.ts"
import type { LinkStatus } from "../../../messages/mqtt.ts"
import {
  type CheckAnswer,
  type LinkAnswer,
  type MetricsAnswer,
  parseQuestion,
  type ServiceQuestion,
  type StatusAnswer,
  serviceSocketPath,
  socketVersion
} from "../../../messages/service-socket.ts"
import { serveJsonLines } from "../../../platform/sockets/json-lines-socket.ts"
import type { Mapper } from "./mapper-graph.ts"
import { MapperMetrics } from "./mapper-metrics.ts"

/** Without it the mapper works, and cannot be asked. */
export const serveMapperSocket = (
  mapper: Pick<Mapper, "bridge">,
  service: string,
  runPath: string,
  metrics = new MapperMetrics()
): Effect.Effect<void, never, Scope.Scope> => {
  const path = serviceSocketPath(runPath, service)
  return serveJsonLines(path, (line) =>
    Effect.map(answer(mapper, metrics, service, parseQuestion(line)), JSON.stringify)
  ).pipe(
    Effect.catch((error) =>
      Effect.logWarning(`the socket ${path} cannot be made: ${error.message}; tedge connect cannot ask this service`)
    )
  )
}

const answer = (
  { bridge }: Pick<Mapper, "bridge">,
  metrics: MapperMetrics,
  service: string,
  question: ServiceQuestion | undefined
): Effect.Effect<object> => {
  switch (question?.ask) {
    case "status":
      return bridge.ask("Status", undefined, { within: "5 seconds" }).pipe(
        Effect.map((status) => statusAnswer(service, status)),
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
    case "snapshot":
    case "stream":
    case undefined:
      return Effect.succeed(trouble("not a question of version 1"))
  }
}

const trouble = (error: string) => ({ version: socketVersion, error })

const statusAnswer = (service: string, { health, local, cloud, counters }: BridgeStatus): StatusAnswer => ({
  version: socketVersion,
  answer: "status",
  service,
  pid: process.pid,
  bridge: { health, local: linkAnswer(local), cloud: linkAnswer(cloud), counters }
})

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
