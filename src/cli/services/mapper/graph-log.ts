/** SIGUSR1 makes a running mapper log its actors: states, queues, work in hand, counters. It goes on as before. */
import { Effect, type Scope } from "effect"
import type { SupervisorHandle } from "../../../runtime/supervision.ts"
import { nodeText } from "./graph-text.ts"

/** As long as the scope lives. */
export const logGraphWhenAsked = ({ graph }: SupervisorHandle): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    const fork = Effect.runForkWith(yield* Effect.context())
    const logGraph = Effect.flatMap(graph, (nodes) =>
      Effect.forEach(nodes, (node) => Effect.logInfo(nodeText(node)), { discard: true })
    )
    const answer = () => void fork(logGraph)
    process.on("SIGUSR1", answer)
    yield* Effect.addFinalizer(() => Effect.sync(() => void process.off("SIGUSR1", answer)))
  })
