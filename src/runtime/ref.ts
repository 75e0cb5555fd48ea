/**
 * The sending side of an address: tell, offer and ask.
 *
 * Refs created elsewhere (a fake in a test, a ref that speaks over a socket) have no cell; they accept messages,
 * but can be neither watched nor checked.
 */
import { Duration, Effect, type Fiber } from "effect"
import type { Cell } from "./internal/cell.ts"
import { CurrentDeadline, Envelope } from "./internal/envelope.ts"
import type { Accepted, ActorRef, Protocol } from "./protocol.ts"

/** A ref of any protocol. */
// biome-ignore lint/suspicious/noExplicitAny: refs of different protocols share no other type
export type AnyRef = ActorRef<any>

const cells = new WeakMap<AnyRef, Cell>()

/** The cell behind a ref of this runtime. */
export const cellOf = (ref: AnyRef): Cell | undefined => cells.get(ref)

export const makeRef = <P extends Protocol>(cell: Cell): ActorRef<P> => {
  const ref: AnyRef = {
    name: cell.name,
    tell: (tag: string, payload: unknown) =>
      Effect.withFiber((fiber) => cell.mailbox.send(tellEnvelope(cell, fiber, tag, payload))),
    offer: (tag: string, payload: unknown) =>
      Effect.withFiber((fiber) => {
        const placed = cell.mailbox.place(tellEnvelope(cell, fiber, tag, payload))
        const accepted: Accepted = placed === "queued" ? "queued" : "refused"
        return Effect.succeed(accepted)
      }),
    ask: (tag: string, payload: unknown, options: { readonly within: Duration.Input }) =>
      ask(cell, tag, payload, options.within)
  }
  cells.set(ref, cell)
  return ref
}

const ask = (cell: Cell, tag: string, payload: unknown, within: Duration.Input) =>
  Effect.withFiber<unknown, unknown>((fiber) => {
    const sentAt = cell.now()
    const latest = sentAt + Duration.toMillis(Duration.fromInputUnsafe(within))
    const deadline = Math.min(latest, fiber.getRef(CurrentDeadline))
    const sender = { sentAt, deadline, span: fiber.cache.span }
    return Effect.callback<unknown, unknown>((resume) => {
      const envelope = new Envelope({ tag, payload }, sender, resume)
      post(cell, envelope)
      return Effect.sync(() => cell.cancel(envelope))
    })
  })

const post = (cell: Cell, envelope: Envelope): void => {
  if (envelope.deadline <= envelope.sentAt) {
    cell.expire(envelope)
    return
  }
  const placed = cell.mailbox.place(envelope, (outcome) => {
    if (outcome === "closed") cell.refuse(envelope, "stopped")
  })
  if (placed === "full") cell.refuse(envelope, "full")
  else if (placed === "closed") cell.refuse(envelope, "stopped")
  else cell.deadlines.add(envelope)
}

/** A tell does not inherit a deadline: it is not part of what the asker waits for. */
const tellEnvelope = (cell: Cell, fiber: Fiber.Fiber<unknown, unknown>, tag: string, payload: unknown): Envelope =>
  new Envelope({ tag, payload }, { sentAt: cell.now(), deadline: Number.POSITIVE_INFINITY, span: fiber.cache.span })
