/**
 * Makes a long-lived service observable: its actors, supervisors and log lines, which StatusActor sends on its socket.
 *
 *   const seen = makeVisible()
 *   seen.around(everything to be observed)
 *   serveStatus(seen, ...)     inside it, once the service runs
 */
import { Context, Effect, Logger, type Scope } from "effect"
import { type StatusSources, statusBehaviour, statusMailbox } from "../../actors/status/status-actor.ts"
import { actorEvent } from "../../actors/status/status-events.ts"
import { StatusFeed } from "../../actors/status/status-feed.ts"
import type { StatusProtocol } from "../../messages/status/status.ts"
import { address, child } from "../../runtime/actor.ts"
import { type RuntimeEvent, RuntimeEvents } from "../../runtime/events.ts"
import { RunningTrees, Trees } from "../../runtime/inspect.ts"
import { Supervisor } from "../../runtime/supervisor.ts"
import { logEvents } from "../terminal/logging.ts"
import { type ServedStatus, serveServiceSocket } from "./service-socket.ts"

export interface Visible {
  readonly feed: StatusFeed
  readonly trees: Trees
  readonly around: <A, E, R>(run: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

export const makeVisible = (): Visible => {
  const feed = new StatusFeed()
  const trees = new Trees()
  const logging = Logger.layer([logEvents(feed.publish)], { mergeWithExisting: true })
  return {
    feed,
    trees,
    around: (run) =>
      Effect.contextWith((context) => {
        const sink = Context.get(context, RuntimeEvents)
        const publish = (event: RuntimeEvent) => {
          sink.publish(event)
          feed.publish(actorEvent(event))
        }
        return run.pipe(
          Effect.provideService(RuntimeEvents, { ...sink, publish }),
          Effect.provideService(RunningTrees, trees),
          Effect.provide(logging)
        )
      })
  }
}

interface ServiceStatus extends Pick<ServedStatus, "runPath" | "answer">, Pick<StatusSources, "parts"> {
  readonly name: string
}

export const serveStatus = (
  { feed, trees }: Visible,
  { name, runPath, parts, answer }: ServiceStatus
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    const place = yield* address<StatusProtocol>({ name: "status", mailbox: statusMailbox })
    const service = { name, version: __VERSION__ }
    const behaviour = statusBehaviour({ service, feed, inspect: () => trees.inspect(), parts })
    const starting = Supervisor.start({
      name: "observers",
      strategy: "one_for_one",
      intensity: { max: 5, within: "1 minute" },
      backoff: { initial: "200 millis", maximum: "10 seconds", factor: 4, jitter: 0.2, resetAfter: "1 minute" },
      onExhausted: "park",
      children: [child(place, behaviour, { restart: "permanent" })]
    })
    // It owns nothing that could fail; a failure is a bug of ours.
    yield* Effect.orDie(starting)
    yield* serveServiceSocket({ service: name, runPath, status: place.ref, feed, answer })
  })
