/**
 * The protocol of a service's UNIX socket: JSON lines, one request and one response at a time.
 *
 * `{"version":1,"ask":"status"}`                      -> `{"version":1,"answer":"status", ...}`
 * `{"version":1,"ask":"check","within_ms":10000}`     -> `{"version":1,"answer":"check","ok":true, ...}`
 * `{"version":1,"ask":"snapshot"}`                    -> `{"version":1,"answer":"snapshot", ...}`
 * `{"version":1,"ask":"stream","every_ms":1000}`      -> a snapshot at once and every second, events between them
 * `{"version":1,"ask":"metrics"}`                     -> `{"version":1,"answer":"metrics","text": ...}`, for Prometheus
 * anything else                                       -> `{"version":1,"error":"..."}`
 *
 * Readers ignore unknown fields; a new request is a new word in `ask`. `status` and `check`: the mapper only;
 * `snapshot` and `stream`: every service; see `status/snapshot.ts`, `status/event.ts`, docs/observing.md.
 */

/** `<run.path>/tedge-actors/<service>.sock`. */
export const serviceSocketPath = (runPath: string, service: string): string =>
  `${serviceSocketDir(runPath)}/${service}.sock`

export const serviceSocketDir = (runPath: string): string => `${runPath}/tedge-actors`

export const socketVersion = 1

/** The line for a client beyond the limit; it may retry later. */
export const tooManyClients = JSON.stringify({ version: socketVersion, error: "too many clients" })

export type ServiceQuestion =
  | { readonly ask: "status" }
  | { readonly ask: "metrics" }
  /** Sends the cloud a request over the current connection. */
  | { readonly ask: "check"; readonly withinMs: number }
  | { readonly ask: "snapshot" }
  /** Until the client disconnects; its further input is ignored. */
  | { readonly ask: "stream"; readonly everyMs: number }

export interface LinkAnswer {
  readonly state: "connecting" | "up" | "down" | "stopped"
  /** Why it is down. */
  readonly error?: string
  readonly hint?: string
  /** Of the refusal. */
  readonly error_tag?: string
  readonly retry_in_ms?: number
  readonly attempt?: number
  /** Subscriptions that were not granted as requested. */
  readonly faults?: ReadonlyArray<{ readonly filter: string; readonly code: number }>
}

export interface StatusAnswer {
  readonly version: number
  readonly answer: "status"
  readonly service: string
  readonly pid: number
  readonly bridge: {
    readonly health: "up" | "down"
    readonly local: LinkAnswer
    readonly cloud: LinkAnswer
    readonly counters: {
      readonly outbound: number
      readonly inbound: number
      readonly dropped: number
      readonly waiting: number
    }
  }
}

/** `text`: the text format of Prometheus. */
export interface MetricsAnswer {
  readonly version: number
  readonly answer: "metrics"
  readonly text: string
}

export type CheckAnswer = { readonly version: number; readonly answer: "check" } & (
  | {
      readonly ok: true
      /** Topic of the response on the local broker. */
      readonly topic: string
      /** Base64. It may be a secret: a token of Cumulocity. */
      readonly payload: string
    }
  | { readonly ok: false; readonly health: "up" | "down"; readonly reason: string; readonly status?: number }
)

/** Parses a line of a client; undefined: not a request of this version. */
export const parseQuestion = (line: string): ServiceQuestion | undefined => {
  const asked = parseObject(line)
  if (asked?.version !== socketVersion) return undefined
  switch (asked.ask) {
    case "status":
    case "metrics":
    case "snapshot":
      return { ask: asked.ask }
    case "check": {
      const withinMs = positive(asked.within_ms ?? 10_000)
      return withinMs === undefined ? undefined : { ask: "check", withinMs: Math.min(withinMs, 60_000) }
    }
    case "stream": {
      const everyMs = positive(asked.every_ms ?? 1_000)
      return everyMs === undefined ? undefined : { ask: "stream", everyMs: Math.min(Math.max(everyMs, 100), 60_000) }
    }
    default:
      return undefined
  }
}

const positive = (value: unknown): number | undefined => (typeof value === "number" && value > 0 ? value : undefined)

export const printQuestion = (question: ServiceQuestion): string =>
  JSON.stringify({
    version: socketVersion,
    ask: question.ask,
    ...(question.ask === "check" && { within_ms: question.withinMs }),
    ...(question.ask === "stream" && { every_ms: question.everyMs })
  })

/** Undefined: another response. */
export const parseCheckAnswer = (line: string): CheckAnswer | undefined => {
  const said = parseObject(line)
  if (said?.answer !== "check") return undefined
  const isWhole =
    said.ok === true
      ? typeof said.topic === "string" && typeof said.payload === "string"
      : (said.health === "up" || said.health === "down") && typeof said.reason === "string"
  return isWhole ? (said as unknown as CheckAnswer) : undefined
}

/** Undefined: another response. */
export const parseStatusAnswer = (line: string): StatusAnswer | undefined => {
  const said = parseObject(line)
  if (said?.answer !== "status" || typeof said.pid !== "number") return undefined
  const bridge = said.bridge as StatusAnswer["bridge"] | undefined
  const isWhole = [bridge?.cloud, bridge?.local].every((link) => typeof link?.state === "string")
  return isWhole ? (said as unknown as StatusAnswer) : undefined
}

const parseObject = (line: string): Readonly<Record<string, unknown>> | undefined => {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : undefined
  } catch {
    return undefined // not JSON
  }
}
