/** The last known state of each service. */
import type { StatusEvent } from "../src/messages/status/event.ts"
import type { CertificateFacts, LogLine, Snapshot } from "../src/messages/status/snapshot.ts"
import type { State } from "../src/messages/status/verdict.ts"

export interface Point {
  readonly at: number
  readonly out: number | null
  readonly in: number | null
  readonly message: number | null
  readonly signature: number | null
}

export interface Service {
  readonly name: string
  snapshot: Snapshot | undefined
  before: Snapshot | undefined
  /** No snapshot can be had now: `snapshot` is an earlier one. */
  isGone: boolean
  report: Report
  points: ReadonlyArray<Point>
  log: ReadonlyArray<LogLine>
}

/** As `tedge status` judges it. */
export interface Report {
  readonly state: State
  readonly bad: boolean
  readonly idle?: true
  readonly manager?: string
  readonly error?: string
  readonly hint?: string
  /** Its connection, as set. */
  readonly configured?: {
    readonly host?: string
    readonly port?: number
    readonly device_id?: string
    readonly certificate?: CertificateFacts
  }
}

/** One message of the page's event stream. */
export type ServerMessage =
  | ({ readonly kind: "snapshot"; readonly service: string; readonly snapshot: Snapshot } & Report)
  | { readonly kind: "event"; readonly service: string; readonly event: StatusEvent }
  | ({ readonly kind: "gone"; readonly service: string } & Report)
  /** Why the settings could not be read; without an error: they were read. */
  | { readonly kind: "note"; readonly error?: string; readonly hint?: string }
  /** No longer a service of the device. */
  | { readonly kind: "left"; readonly service: string }

export const services = new Map<string, Service>()

export const apply = (message: Exclude<ServerMessage, { kind: "note" }>): Service | undefined => {
  if (message.kind === "left") {
    services.delete(message.service)
    return undefined
  }
  const known = services.get(message.service)
  const service = known ?? {
    name: message.service,
    snapshot: undefined,
    before: undefined,
    isGone: true,
    report: { state: "unknown", bad: false },
    points: [],
    log: []
  }
  if (known === undefined) services.set(message.service, service)
  if (message.kind !== "event") {
    service.report = message
    service.isGone = message.kind === "gone"
  }
  if (message.kind === "event" && message.event.event === "log")
    service.log = [...service.log, message.event.line].slice(-mostLines)
  if (message.kind === "snapshot") takeSnapshot(service, message.snapshot)
  return service
}

const takeSnapshot = (service: Service, snapshot: Snapshot): void => {
  const last = isSameRun(service.snapshot, snapshot) ? service.snapshot : undefined
  // A tab that becomes visible again receives its last snapshot once more.
  if (last?.service.uptime_ms === snapshot.service.uptime_ms) return
  service.before = last
  service.snapshot = snapshot
  service.log = snapshot.log
  const before = service.before
  const earlier = earlierPoints(service.points, before, snapshot)
  const added = before === undefined ? ofHistory(snapshot, earlier.at(-1)?.at ?? 0) : [pointOf(before, snapshot)]
  service.points = [...earlier, ...added].slice(-mostPoints)
}

/** Times shift after a step of the device's clock: uPlot needs ascending ones. */
const earlierPoints = (points: ReadonlyArray<Point>, before: Snapshot | undefined, now: Snapshot) => {
  const stepMs = now.service.started_at - (before ?? now).service.started_at
  const moved = stepMs === 0 ? points : points.map((point) => ({ ...point, at: point.at + stepMs / 1000 }))
  return moved.filter(({ at }) => at < now.at / 1000)
}

/** After a restart counters begin at zero. */
const isSameRun = (before: Snapshot | undefined, { service: { pid, uptime_ms } }: Snapshot): boolean =>
  before?.service.pid === pid && before.service.uptime_ms <= uptime_ms

/** By uptime: not affected by a step of the device's clock. */
export const secondsBetween = (before: Snapshot, now: Snapshot): number =>
  Math.max((now.service.uptime_ms - before.service.uptime_ms) / 1000, 0.001)

const pointOf = (before: Snapshot, now: Snapshot): Point => {
  const seconds = secondsBetween(before, now)
  const rate = (side: "outbound" | "inbound") =>
    now.bridge === undefined || before.bridge === undefined
      ? null
      : Math.max(0, now.bridge[side].messages - before.bridge[side].messages) / seconds
  const isNew = now.message !== undefined && now.message.at !== before.message?.at
  return {
    at: now.at / 1000,
    out: rate("outbound"),
    in: rate("inbound"),
    message: isNew ? (now.message?.took_ms ?? null) : null,
    signature: now.key?.signatures.last?.took_ms ?? null
  }
}

/** Points from before the page was opened, from the service's own history. */
const ofHistory = ({ at, bridge }: Snapshot, after: number): ReadonlyArray<Point> => {
  if (bridge === undefined) return []
  const { bucket_ms, messages } = bridge.outbound.history
  const bucketSeconds = bucket_ms / 1000
  return messages
    .map((count, index) => ({
      at: at / 1000 - (messages.length - 1 - index) * bucketSeconds,
      out: count / bucketSeconds,
      in: (bridge.inbound.history.messages[index] ?? 0) / bucketSeconds,
      message: null,
      signature: null
    }))
    .filter((point) => point.at > after)
}

const mostPoints = 600
const mostLines = 200
