/**
 * An actor that records its messages and answers as scripted: a peer for the actor under test.
 */
import { Deferred, Effect, type Scope } from "effect"
import { type MailboxSpec, start } from "../runtime/actor.ts"
import type { ActorRef, Handlers, Protocol } from "../runtime/protocol.ts"

export interface Received {
  readonly tag: string
  readonly payload: unknown
}

export interface ProbeSpec<P extends Protocol> {
  readonly name: string
  /** Its answers. A message without a handler is a defect. */
  readonly handlers: Handlers<P>
  /** Default: 256 messages, more are refused. */
  readonly mailbox?: MailboxSpec
}

export interface Probe<P extends Protocol> {
  readonly ref: ActorRef<P>
  /** In the order they were handled. It grows. */
  readonly received: ReadonlyArray<Received>
  /** Waits for the next message with this tag that no earlier wait has taken, and returns its payload. */
  readonly next: <Tag extends keyof P & string>(tag: Tag) => Effect.Effect<unknown>
}

/** Stops with the scope. */
export const probe = <P extends Protocol>(spec: ProbeSpec<P>): Effect.Effect<Probe<P>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const received: Array<Received> = []
    const unseen: Array<Received> = []
    let waiting: ReadonlyArray<{ readonly tag: string; readonly seen: Deferred.Deferred<unknown> }> = []
    const note = (message: Received) => {
      received.push(message)
      const first = waiting.find(({ tag }) => tag === message.tag)
      if (first === undefined) return void unseen.push(message)
      waiting = waiting.filter((one) => one !== first)
      Deferred.doneUnsafe(first.seen, Effect.succeed(message.payload))
    }
    const ref = yield* start<P, never, never>({
      name: spec.name,
      mailbox: spec.mailbox ?? { capacity: 256, overflow: { policy: "refuse" } },
      behaviour: { init: () => Effect.succeed(noting(spec.handlers, note)) }
    })
    const next = (tag: string) =>
      Effect.suspend(() => {
        const at = unseen.findIndex((message) => message.tag === tag)
        const [message] = at < 0 ? [] : unseen.splice(at, 1)
        if (message !== undefined) return Effect.succeed(message.payload)
        const seen = Deferred.makeUnsafe<unknown>()
        waiting = [...waiting, { tag, seen }]
        return Deferred.await(seen)
      })
    return { ref, received, next }
  })

// The handlers were checked against the protocol where the test wrote them.
const noting = <P extends Protocol>(handlers: Handlers<P>, note: (message: Received) => void): Handlers<P> =>
  Object.fromEntries(
    Object.entries(handlers as Record<string, (payload: unknown) => unknown>).map(([tag, handler]) => [
      tag,
      (payload: unknown) => {
        note({ tag, payload })
        return handler(payload)
      }
    ])
  ) as Handlers<P>
