/**
 * When a span begins and ends. The date is read once a trace, and its spans are placed by the monotonic clock: neither a clock
 * step nor the whole milliseconds of the system's clock put a child outside its parent.
 */
import { type Clock, Context, type Tracer } from "effect"
import { monotonicNanos } from "../primitives/monotonic-time.ts"
import { effectDateNanos, wallNanos } from "../primitives/wall-time.ts"

export interface SpanTime {
  readonly startTime: bigint
  /** What the date is ahead of the monotonic clock, in nanoseconds. */
  readonly ahead: bigint
}

/** For the annotations of the span, where its children find it. */
export const WallAhead = Context.Reference<bigint | undefined>("tedge-actors/WallAhead", {
  defaultValue: () => undefined
})

export const spanBegins = (clock: Clock.Clock, parent: Tracer.AnySpan | undefined): SpanTime => {
  const began = monotonicNanos(clock)
  const ahead = (parent && Context.get(parent.annotations, WallAhead)) ?? dateFor(clock, parent) - began
  return { startTime: began + ahead, ahead }
}

export const spanEnds = (clock: Clock.Clock, { ahead }: SpanTime): bigint => monotonicNanos(clock) + ahead

const dateFor = (clock: Clock.Clock, parent: Tracer.AnySpan | undefined): bigint =>
  parent?._tag === "Span" ? effectDateNanos(clock) : wallNanos(clock)
