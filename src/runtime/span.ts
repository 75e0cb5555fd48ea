/**
 * A span around work, if a tracer was provided; otherwise the work alone.
 *
 * Of a refusal a span reports the name, as `internal/hop.ts` does. Names of attributes: OpenTelemetry semantic conventions.
 */
import { Clock, Context, Effect, Option, Tracer } from "effect"
import { spanBegins, spanEnds, WallAhead } from "./internal/hop.ts"
import { withoutValues } from "./reason.ts"

/** The kind of work in a span whose name does not say it: a sampler has a budget for each. From a fixed set. */
export const KindOfWork = Context.Reference<string>("tedge-actors/KindOfWork", { defaultValue: () => "" })

type SpanAttributes = Readonly<Record<string, string | number | boolean | undefined>>

export const spanned = <A, E, R>(
  name: string,
  options: { readonly kind?: Tracer.SpanKind; readonly work?: string; readonly attributes?: () => SpanAttributes },
  work: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.withFiber((fiber) => {
    const { tracer, tracerEnabled, span: parent } = fiber.cache
    if (tracer === undefined || !tracerEnabled) return work
    const clock = fiber.getRef(Clock.Clock)
    const time = spanBegins(clock, parent)
    const annotations = Context.make(WallAhead, time.ahead)
    const span = tracer.span({
      name,
      parent: Option.fromNullishOr(parent),
      annotations: options.work === undefined ? annotations : Context.add(annotations, KindOfWork, options.work),
      links: [],
      startTime: time.startTime,
      kind: options.kind ?? "internal",
      root: parent === undefined,
      sampled: parent?.sampled ?? true
    })
    if (span.sampled) setAttributes(span, options.attributes?.() ?? {})
    return Effect.onExit(Effect.provideService(work, Tracer.ParentSpan, span), (exit) =>
      Effect.sync(() => span.end(spanEnds(clock, time), withoutValues(exit)))
    )
  })

/** Annotates the current span. */
export const annotateSpan = (attributes: () => SpanAttributes): Effect.Effect<void> =>
  Effect.withFiber((fiber) => {
    const { tracer, span } = fiber.cache
    if (tracer !== undefined && span?._tag === "Span" && span.sampled) setAttributes(span, attributes())
    return Effect.void
  })

const setAttributes = (span: Tracer.Span, attributes: SpanAttributes): void => {
  for (const [key, value] of Object.entries(attributes)) if (value !== undefined) span.attribute(key, value)
}
