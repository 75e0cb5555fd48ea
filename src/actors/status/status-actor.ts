/**
 * StatusActor: reports the state of a service to clients of its socket.
 *
 * It collects it on request, and keeps the last lines of the log; it has no timer of its own.
 */
import { Clock, Effect } from "effect"
import type { StatusEvent } from "../../messages/status/event.ts"
import type { LogLine, Snapshot } from "../../messages/status/snapshot.ts"
import type { StatusParts, StatusProtocol } from "../../messages/status/status.ts"
import type { statusVersion } from "../../messages/status/version.ts"
import type { Behaviour, MailboxSpec } from "../../runtime/actor.ts"
import type { Inspection } from "../../runtime/inspect.ts"
import { dateOf, eventTime, present } from "../../runtime/primitives/event-time.ts"
import { actorNode, supervisorNode } from "./graph-facts.ts"
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
          if (log.length > linesKept) log.shift()
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

const linesKept = 50
