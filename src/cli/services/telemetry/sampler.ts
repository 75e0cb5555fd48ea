/**
 * Which traces are exported.
 *
 * Connections always, a few messages and signatures; `OTEL_TRACES_SAMPLER` chooses another share of messages and
 * signatures. What an actor handles on behalf of neither is no trace.
 */
import type { Environment } from "./exporter-settings.ts"

/** `now`: monotonic milliseconds. True: the trace that begins with such a span is exported. */
export type Sampler = (rootSpan: string, now: number) => boolean

export const samplerOf = (environment: Environment, random: () => number = Math.random): Sampler => {
  const name = (environment.OTEL_TRACES_SAMPLER ?? "").toLowerCase().replace(/^parentbased_/, "")
  const share = shareOf(name, environment.OTEL_TRACES_SAMPLER_ARG)
  const begun = new Map<string, number>()
  return (rootSpan, now) => {
    if (rootSpan === handling || name === "always_off") return false
    if (rootSpan === connecting) return true
    if (share !== undefined) return random() < share
    const last = begun.get(rootSpan)
    if (last !== undefined && now - last < everyMs) return false
    begun.set(rootSpan, now)
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

/** One trace of messages, and one of signatures, in a second. */
const everyMs = 1_000
