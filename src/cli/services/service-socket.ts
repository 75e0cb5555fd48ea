/**
 * The UNIX socket of a service: a snapshot, or a stream of snapshots and events, and requests specific to the service.
 *
 * Events of a subscriber are queued up to a bound; dropped ones are counted in its next snapshot. Without subscribers
 * nothing runs here.
 */
import { Effect, type Scope } from "effect"
import type { StatusFeed } from "../../actors/status/status-feed.ts"
import {
  parseQuestion,
  type ServiceQuestion,
  serviceSocketPath,
  socketVersion,
  tooManyClients
} from "../../messages/service-socket.ts"
import type { EventLine, StatusEvent } from "../../messages/status/event.ts"
import type { StatusProtocol } from "../../messages/status/status.ts"
import { type LineClient, serveJsonLines } from "../../platform/sockets/json-lines-socket.ts"
import { Mailbox } from "../../runtime/mailbox.ts"
import type { ActorRef } from "../../runtime/protocol.ts"

export type OtherQuestion = Exclude<ServiceQuestion, { readonly ask: "snapshot" | "stream" }>

export interface ServedStatus {
  readonly service: string
  readonly runPath: string
  readonly status: ActorRef<StatusProtocol>
  readonly feed: StatusFeed
  /** Requests specific to this service; undefined: unknown request. */
  readonly answer: (question: OtherQuestion) => Effect.Effect<object> | undefined
}

/** Without it the service works, and cannot be queried. */
export const serveServiceSocket = (served: ServedStatus): Effect.Effect<void, never, Scope.Scope> => {
  const path = serviceSocketPath(served.runPath, served.service)
  return serveJsonLines(path, (line, client) => answer(served, parseQuestion(line), client), tooManyClients).pipe(
    Effect.catch((error) =>
      Effect.logWarning(
        `the socket ${path} cannot be created: ${error.message}; tedge connect and tedge status cannot ask this service`
      )
    )
  )
}

/** The answer when the service cannot answer. */
export const trouble = (error: string) => ({ version: socketVersion, error })

const answer = (
  served: ServedStatus,
  question: ServiceQuestion | undefined,
  client: LineClient
): Effect.Effect<string | undefined> => {
  if (question?.ask === "snapshot") return snapshot(served, { watched: false }, 0)
  if (question?.ask === "stream") return Effect.as(stream(served, question.everyMs, client), undefined)
  const answered = question === undefined ? undefined : served.answer(question)
  return Effect.map(answered ?? Effect.succeed(trouble("not a question of version 1")), (said) => JSON.stringify(said))
}

const snapshot = ({ status }: ServedStatus, asked: { readonly watched: boolean }, missed: number) =>
  status.ask("Snapshot", asked, { within: "5 seconds" }).pipe(
    Effect.map((made) => JSON.stringify(missed > 0 ? { ...made, missed } : made)),
    Effect.catch(() => Effect.succeed(JSON.stringify(trouble("the service gives no status"))))
  )

/** Never completes. */
const stream = (served: ServedStatus, everyMs: number, client: LineClient): Effect.Effect<never> =>
  Effect.scoped(
    Effect.gen(function* () {
      const overflow = { policy: "drop", which: "oldest" } as const
      const inbox = new Mailbox<StatusEvent>({ name: "watcher", capacity: maxWaiting, overflow })
      yield* Effect.acquireRelease(
        Effect.sync(() => served.feed.watch((event) => void inbox.place(event))),
        (leave) => Effect.sync(leave)
      )
      yield* client.stopReading
      let reportedDrops = 0
      const tellSnapshot = Effect.suspend(() => {
        const missed = inbox.dropped - reportedDrops
        reportedDrops = inbox.dropped
        return Effect.flatMap(snapshot(served, { watched: true }, missed), client.write)
      })
      const tellEvent = Effect.suspend(() => {
        const event = inbox.poll()
        return event === undefined ? inbox.untilReadable() : client.write(printEvent(event))
      })
      const snapshots = Effect.forever(Effect.andThen(tellSnapshot, Effect.sleep(everyMs)))
      return yield* Effect.raceFirst(snapshots, Effect.forever(tellEvent))
    })
  )

export const printEvent = (event: StatusEvent): string =>
  JSON.stringify({ version: socketVersion, answer: "event", event } satisfies EventLine)

const maxWaiting = 256
