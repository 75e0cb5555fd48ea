/** Metrics of the signing service: a file, replaced every 15 seconds and at the end; and on its socket, for Prometheus. */
import { Effect, type Scope } from "effect"
import type { Metrics } from "../../../actors/p11-server/metrics.ts"
import type { P11ServerProtocol } from "../../../messages/p11-server.ts"
import { type MetricsAnswer, socketVersion } from "../../../messages/service-socket.ts"
import { replaceFile } from "../../../platform/files/atomic-file.ts"
import type { ActorRef } from "../../../runtime/protocol.ts"
import { type OtherQuestion, trouble } from "../service-socket.ts"

export const writeMetrics = (
  path: string,
  metrics: Metrics,
  server: ActorRef<P11ServerProtocol>
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    const write = (now: { readonly connections: number; readonly answering: number }) =>
      replaceFile({ path, content: metrics.text(now), mode: 0o644 }).pipe(
        Effect.catch(({ code }) => Effect.logWarning(`metrics cannot be written to '${path}': ${code}`))
      )
    const writing = server
      .ask("Status", undefined, { within: "5 seconds" })
      // Prometheus' default scrape interval.
      .pipe(Effect.flatMap(write), Effect.ignore, Effect.andThen(Effect.sleep("15 seconds")))
    yield* Effect.addFinalizer(() => write({ connections: 0, answering: 0 }))
    yield* Effect.forkScoped(Effect.forever(writing))
  })

/** Undefined: unknown request. */
export const serverAnswer =
  (metrics: Metrics, server: ActorRef<P11ServerProtocol>) =>
  ({ ask }: OtherQuestion): Effect.Effect<object> | undefined =>
    ask === "metrics"
      ? server.ask("Status", undefined, { within: "5 seconds" }).pipe(
          Effect.map((now): MetricsAnswer => ({ version: socketVersion, answer: "metrics", text: metrics.text(now) })),
          Effect.catch(() => Effect.succeed(trouble("the service does not answer")))
        )
      : undefined
