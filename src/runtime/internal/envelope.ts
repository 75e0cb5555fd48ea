/**
 * A message in transit, with the handle to answer its sender.
 *
 * An envelope is settled exactly once: by the answer, the refusal, the deadline, the end of the actor, or the
 * asker who gave up. Whatever comes after that is a late answer, and is counted.
 */
import { Context, type Effect, type Fiber, type Tracer } from "effect"
import type { Message } from "../mailbox.ts"

/** Deadline of the message that is being handled, in milliseconds as `monotonicMs` counts them. */
export const CurrentDeadline = Context.Reference<number>("tedge-actors/CurrentDeadline", {
  defaultValue: () => Number.POSITIVE_INFINITY
})

type Resume = (outcome: Effect.Effect<unknown, unknown>) => void

export class Envelope implements Message {
  readonly tag: string
  readonly payload: unknown
  /** Milliseconds as `monotonicMs` counts them; so are the others. */
  readonly sentAt: number
  readonly deadline: number
  readonly span: Tracer.AnySpan | undefined
  /** The fiber that handles it, as long as one does. */
  handler: Fiber.Fiber<unknown, unknown> | undefined
  isHandling = false
  /** When its handler started; 0 while it waits. */
  startedAt = 0
  /** The asker was interrupted: the answer is not needed, and the handler must end. */
  isCancelled = false
  isSettled: boolean
  private readonly resume: Resume | undefined

  constructor(
    message: Message,
    sender: {
      readonly sentAt: number
      readonly deadline: number
      readonly span: Tracer.AnySpan | undefined
    },
    resume?: Resume
  ) {
    this.tag = message.tag
    this.payload = message.payload
    this.sentAt = sender.sentAt
    this.deadline = sender.deadline
    this.span = sender.span
    this.resume = resume
    this.isSettled = resume === undefined
  }

  get isAsk(): boolean {
    return this.resume !== undefined
  }

  /** False when it was settled before. */
  settle(outcome: Effect.Effect<unknown, unknown>): boolean {
    if (this.isSettled) return false
    this.isSettled = true
    this.resume?.(outcome)
    return true
  }

  /** The asker gives up. Only a running handler is left to be interrupted; its actor does the rest. */
  cancel(): void {
    this.isSettled = true
    this.isCancelled = true
    this.handler?.interruptUnsafe()
  }
}
