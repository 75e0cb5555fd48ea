/**
 * Which traces are exported.
 *
 * Connections always, a few messages of each direction and requests of each kind; `OTEL_TRACES_SAMPLER` chooses another
 * share of both. What an actor handles on behalf of neither is no trace.
 */

export type Environment = Readonly<Record<string, string | undefined>>

/**
 * `work`: what is done in such a span, where it is done for several kinds of work, as a rare request would otherwise never be
 * seen among frequent ones. `now`: monotonic milliseconds. True: the trace that begins with such a span is exported.
 */
export type Sampler = (rootSpan: string, work: string, now: number) => boolean

export const samplerOf = (environment: Environment, random: () => number = Math.random): Sampler => {
  const name = plainName(environment.OTEL_TRACES_SAMPLER ?? "")
  const share = shareOf(name, environment.OTEL_TRACES_SAMPLER_ARG ?? "")
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

/** Empty: the default. */
export const isSampler = (name: string): boolean => name.trim() === "" || samplers.includes(plainName(name))

/** Whether the sampler can be used with such an argument; others than `traceidratio` need none. */
export const isShare = (name: string, argument: string): boolean =>
  plainName(name) !== "traceidratio" || argument === "" || isFraction(argument)

const samplers = ["always_on", "always_off", "traceidratio"]

/** No trace begins elsewhere, so those based on a parent are the same. */
const plainName = (name: string): string =>
  name
    .trim()
    .toLowerCase()
    .replace(/^parentbased_/, "")

/** Undefined: by time. */
const shareOf = (name: string, argument: string): number | undefined => {
  if (name === "always_on") return 1
  if (name !== "traceidratio") return undefined
  return isFraction(argument) ? Number(argument) : 1
}

const isFraction = (text: string): boolean => text.trim() !== "" && Number(text) >= 0 && Number(text) <= 1

/** Of `runtime/internal/hop.ts`. */
const handling = "actor.receive"
export const connecting = "mqtt connect"

/** Of each kind of work one trace in a second. */
const everyMs = 1_000
