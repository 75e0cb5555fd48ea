/**
 * Which traces are exported.
 *
 * Connections always, a few messages of each direction and requests of each kind; `OTEL_TRACES_SAMPLER` chooses another
 * share of both. What an actor handles on behalf of neither is no trace.
 */
import type { Environment } from "./exporter-settings.ts"

/**
 * `work`: what is done in such a span, where it is done for several kinds of work, as a rare request would otherwise never be
 * seen among frequent ones. `now`: monotonic milliseconds. True: the trace that begins with such a span is exported.
 */
export type Sampler = (rootSpan: string, work: string, now: number) => boolean

export const samplerOf = (environment: Environment, random: () => number = Math.random): Sampler => {
  const name = (environment.OTEL_TRACES_SAMPLER ?? "").toLowerCase().replace(/^parentbased_/, "")
  const share = shareOf(name, environment.OTEL_TRACES_SAMPLER_ARG)
  const begun = new Map<string, number>()
  return (rootSpan, work, now) => {
    if (rootSpan === handling || name === "always_off") return false
    if (rootSpan === connecting) return true
    if (share !== undefined) return random() < share
    const kind = `${rootSpan} ${work}`
    const last = begun.get(kind)
    if (last !== undefined && now - last < everyMs) return false
    begun.set(kind, now)
    return true
  }
}

/** Undefined: by time. */
const shareOf = (name: string, argument: string | undefined): number | undefined => {
  if (name === "always_on") return 1
  if (name !== "traceidratio") return undefined
  const share = argument === undefined || argument === "" ? 1 : Number(argument)
  return share >= 0 && share <= 1 ? share : 1
}

/** Of `runtime/internal/hop.ts`. */
const handling = "actor.receive"
export const connecting = "mqtt connect"

/** Of each kind of work one trace in a second. */
const everyMs = 1_000
