/**
 * The span of one message: from the start of its handler to its end, child of the sender's span.
 *
 * Same as `Effect.withSpan("actor.receive")`, but set in the context that the handler's fiber is created with: otherwise half
 * the cost of an ask would be changing that context step by step.
 */
import { type Clock, Context, type Exit, type Fiber, Option, Tracer } from "effect"
import { monotonicNanos } from "../primitives/monotonic-time.ts"
import { effectDateNanos, wallNanos } from "../primitives/wall-time.ts"
import { withoutValues } from "../reason.ts"
import type { Cell } from "./cell.ts"
import { CurrentDeadline, type Envelope } from "./envelope.ts"

/** Records the message's tag, never its payload; for an answer only that there was one, for a refusal its tag. */
export const beginHop = (cell: Cell, actor: Fiber.Fiber<unknown, unknown>, envelope: Envelope) => {
  // An actor itself has none: see `launch` in running.ts.
  const isLimited = envelope.deadline !== Number.POSITIVE_INFINITY
  const context = isLimited ? Context.add(actor.context, CurrentDeadline, envelope.deadline) : actor.context
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
    end: (exit: Exit.Exit<unknown, unknown>) => span.end(spanEnds(cell.clock, time), withoutValues(exit))
  }
}

/**
 * When a span begins and ends. The date is read once a trace, and its spans are placed by the monotonic clock: neither a clock
 * step nor the whole milliseconds of the system's clock put a child outside its parent.
 */
interface SpanTime {
  readonly startTime: bigint
  /** Offset of the date from the monotonic clock, in nanoseconds. */
  readonly ahead: bigint
}

/** For the annotations of the span, where its children find it. */
export const WallAhead = Context.Reference<bigint | undefined>("tedge-actors/WallAhead", {
  defaultValue: () => undefined
})

export const spanBegins = (clock: Clock.Clock, parent: Tracer.AnySpan | undefined): SpanTime => {
  const began = monotonicNanos(clock)
  const date = () => (parent?._tag === "Span" ? effectDateNanos(clock) : wallNanos(clock))
  const ahead = (parent && Context.get(parent.annotations, WallAhead)) ?? date() - began
  return { startTime: began + ahead, ahead }
}

export const spanEnds = (clock: Clock.Clock, { ahead }: SpanTime): bigint => monotonicNanos(clock) + ahead
