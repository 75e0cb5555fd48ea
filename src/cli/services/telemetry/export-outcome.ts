/** Logs when the collector starts and stops refusing exports: one line each, not one per export. */

export interface ExportOutcome {
  /** A status, or the code of a failed connection: nothing of the address or the headers. */
  readonly failed: (status: number | undefined, cause: unknown) => void
  readonly taken: () => void
}

export const exportOutcome = (signal: "traces" | "metrics", tell: (warning: string) => void): ExportOutcome => {
  let isFailing = false
  return {
    failed: (status, cause) => {
      if (isFailing) return
      isFailing = true
      const why = status === undefined ? causeCode(cause) : `it answered with status ${status}`
      tell(`the collector does not accept ${signal}: ${why}; check OTEL_EXPORTER_OTLP_ENDPOINT and the collector`)
    },
    taken: () => {
      if (!isFailing) return
      isFailing = false
      tell(`the collector accepts ${signal} again`)
    }
  }
}

/** `fetch` throws errors with the code in their cause. */
const causeCode = (error: unknown): string => {
  for (let one: unknown = error, depth = 0; one instanceof Error && depth < 4; one = one.cause, depth += 1)
    if ("code" in one && typeof one.code === "string" && /^\w{1,64}$/.test(one.code)) return one.code
  return "no connection"
}
