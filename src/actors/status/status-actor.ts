/**
 * StatusActor: reports the state of a service to clients of its socket.
 *
 * It collects it on request, and keeps the last lines of the log; it has no timer of its own.
 */
import { Clock, Duration, Effect } from "effect"
import type { StatusEvent } from "../../messages/status/event.ts"
import type { ActorNode, LogLine, Snapshot, SupervisorNode, statusVersion } from "../../messages/status/snapshot.ts"
import type { StatusParts, StatusProtocol } from "../../messages/status/status.ts"
import type { Behaviour, MailboxSpec } from "../../runtime/actor.ts"
import type { Inspection, SupervisorNode as RuntimeSupervisor } from "../../runtime/inspect.ts"
import { dateOf, eventTime, present } from "../../runtime/primitives/event-time.ts"
import { reasonOf } from "../../runtime/reason.ts"
import type { GraphNode } from "../../runtime/supervision.ts"
import type { StatusFeed } from "./status-feed.ts"

export interface StatusSources {
  readonly service: { readonly name: string; readonly version: string }
  readonly feed: StatusFeed
  /** All supervisors and actors of the process. */
  readonly inspect: () => Inspection
  /** Parts specific to this service; one that does not respond in time is omitted, and `silent` reports it. */
  readonly parts: (asked: { readonly watched: boolean }) => Effect.Effect<StatusParts>
}

/** Each client has one open request. */
export const statusMailbox: MailboxSpec = { capacity: 32, overflow: { policy: "refuse" } }

export const statusBehaviour = (sources: StatusSources): Behaviour<StatusProtocol> => ({
  concurrent: { tags: ["Snapshot"], inFlight: 16 },
  init: () =>
    Effect.gen(function* () {
      const { feed, inspect, parts, service } = sources
      const clock = yield* Clock.Clock
      const started = eventTime(clock)
      const log: Array<LogLine> = []
      const remember = (event: StatusEvent) =>
        Effect.sync(() => {
          if (event.event !== "log") return
          log.push(event.line)
          if (log.length > 50) log.shift()
        })
      yield* feed.channel.subscribe({ capacity: 256, overflow: "dropOldest" }, remember)
      return {
        Snapshot: (asked) =>
          Effect.map(parts(asked), (own): Snapshot => {
            const { supervisors, actors } = inspect()
            const now = present(clock)
            return {
              version: 1 satisfies typeof statusVersion,
              answer: "snapshot",
              at: now.wallMs,
              service: {
                ...service,
                pid: process.pid,
                started_at: dateOf(started, now),
                uptime_ms: Math.floor(now.monotonicMs - started.monotonicMs),
                memory: memory()
              },
              ...own,
              supervisors: supervisors.map(supervisorNode),
              actors: actors.map(actorNode),
              log: [...log]
            }
          })
      }
    })
})

const memory = () => {
  const { rss, heapUsed } = process.memoryUsage()
  return { rss_bytes: rss, heap_bytes: heapUsed }
}

const supervisorNode = ({ name, supervisor, strategy, intensity, onExhausted }: RuntimeSupervisor): SupervisorNode => ({
  name,
  ...(supervisor !== undefined && { supervisor }),
  strategy,
  max: intensity.max,
  within_ms: Duration.toMillis(Duration.fromInputUnsafe(intensity.within)),
  on_exhausted: onExhausted
})

const actorNode = (node: GraphNode): ActorNode => ({
  name: node.name,
  supervisor: node.supervisor,
  state: node.state,
  ...(node.parkedFor !== undefined && { reason: reasonOf(node.parkedFor) }),
  ...(node.retryInMs !== undefined && { retry_in_ms: node.retryInMs }),
  peers: node.peers,
  overflow: node.overflow,
  capacity: node.capacity,
  depth: node.depth,
  max_depth: node.maxDepth,
  held: node.held,
  oldest_ms: node.oldestMs,
  handling: node.handling.map(({ message, forMs }) => ({ message, for_ms: forMs })),
  handled: node.handled,
  wait_ms: node.waitMs,
  longest_wait_ms: node.longestWaitMs,
  handling_ms: node.handlingMs,
  longest_handling_ms: node.longestHandlingMs,
  restarts: node.restarts,
  dropped: node.dropped,
  coalesced: node.coalesced,
  refused: node.refused,
  dead_letters: node.deadLetters,
  late_answers: node.lateAnswers
})
