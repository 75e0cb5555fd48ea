/**
 * Chooses the traces to export.
 *
 * All connections, a few messages of each direction and requests of each kind; `OTEL_TRACES_SAMPLER` sets another ratio
 * for both. Work of an actor for neither is not traced.
 */

export type Environment = Readonly<Record<string, string | undefined>>

/**
 * `work`: kind of work in such a span, if it is used for several kinds, so that rare requests are seen among frequent
 * ones. `now`: monotonic milliseconds. True: the trace with such a root span is exported.
 */
export type Sampler = (rootSpan: string, work: string, now: number) => boolean

export const samplerOf = (environment: Environment, random: () => number = Math.random): Sampler => {
  const name = plainName(environment.OTEL_TRACES_SAMPLER ?? "")
  const share = shareOf(name, environment.OTEL_TRACES_SAMPLER_ARG ?? "")
  const begun = new Map<string, number>()
  return (rootSpan, work, now) => {
    // The former: of runtime/internal/hop.ts.
    if (rootSpan === "actor.receive" || name === "always_off") return false
    if (rootSpan === "mqtt connect") return true
    if (share !== undefined) return random() < share
    const kind = `${rootSpan} ${work}`
    const last = begun.get(kind)
    if (last !== undefined && now - last < everyMs) return false
    begun.set(kind, now)
    return true
  }
}

/** Empty: the default. */
export const isSampler = (name: string): boolean =>
  name.trim() === "" || ["always_on", "always_off", "traceidratio"].includes(plainName(name))

/** Whether the argument is valid for the sampler; only `traceidratio` needs one. */
export const isShare = (name: string, argument: string): boolean =>
  plainName(name) !== "traceidratio" || argument === "" || isFraction(argument)

/** Every trace starts here, so the parent-based samplers are the same. */
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

/** One trace per second of each kind of work. */
const everyMs = 1_000
