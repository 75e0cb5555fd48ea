/** What the signing service answers on its own socket beside its status: its metrics, for Prometheus. */
import { Effect } from "effect"
import type { Metrics } from "../../../actors/p11-server/metrics.ts"
import type { P11ServerProtocol } from "../../../messages/p11-server.ts"
import { type MetricsAnswer, socketVersion } from "../../../messages/service-socket.ts"
import type { ActorRef } from "../../../runtime/protocol.ts"
import { type OtherQuestion, trouble } from "../service-socket.ts"

/** Undefined: it does not know the question. */
export const serverAnswer =
  (metrics: Metrics, server: ActorRef<P11ServerProtocol>) =>
  ({ ask }: OtherQuestion): Effect.Effect<object> | undefined =>
    ask === "metrics"
      ? server.ask("Status", undefined, { within: "5 seconds" }).pipe(
          Effect.map((now): MetricsAnswer => ({ version: socketVersion, answer: "metrics", text: metrics.text(now) })),
          Effect.catch(() => Effect.succeed(trouble("the service does not answer")))
        )
      : undefined
