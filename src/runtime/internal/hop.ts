/**
 * The span of one message: from the start of its handler to its end, child of the sender's span.
 *
 * Same as `Effect.withSpan("actor.receive")`, laid into the context the handler's fiber is made with: half the
 * cost of an ask would otherwise go into changing that context step by step.
 */
import { Context, Exit, type Fiber, Option, Tracer } from "effect"
import { withoutValues } from "../reason.ts"
import type { Cell } from "./cell.ts"
import { CurrentDeadline, type Envelope } from "./envelope.ts"
import { spanBegins, spanEnds, WallAhead } from "./span-time.ts"

interface Hop {
  readonly context: Context.Context<never>
  readonly end: (exit: Exit.Exit<unknown, unknown>) => void
}

/** Records the message's tag, never its payload; of an answer only that there was one, of a refusal its tag. */
export const beginHop = (cell: Cell, actor: Fiber.Fiber<unknown, unknown>, envelope: Envelope): Hop => {
  const context = Context.add(actor.context, CurrentDeadline, envelope.deadline)
  if (!actor.cache.tracerEnabled) return { context, end: () => undefined }
  const tracer = actor.cache.tracer ?? Tracer.nativeTracer
  const time = spanBegins(cell.clock, envelope.span)
  const span = tracer.span({
    name: "actor.receive",
    parent: Option.fromNullishOr(envelope.span),
    annotations: Context.make(WallAhead, time.ahead),
    links: [],
    startTime: time.startTime,
    kind: "consumer",
    root: false,
    sampled: envelope.span?.sampled ?? true
  })
  span.attribute("actor", cell.name)
  span.attribute("message", envelope.tag)
  return {
    context: Context.add(context, Tracer.ParentSpan, span),
    end: (exit) => span.end(spanEnds(cell.clock, time), told(exit))
  }
}

const told = (exit: Exit.Exit<unknown, unknown>): Exit.Exit<void, string> =>
  Exit.isSuccess(exit) ? Exit.void : Exit.failCause(withoutValues(exit.cause))
