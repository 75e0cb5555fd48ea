/** What was heard of each service. */
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
  /** The last snapshot is of before: it gives none now. */
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

export type Told =
  | ({ readonly kind: "snapshot"; readonly service: string; readonly snapshot: Snapshot } & Report)
  | { readonly kind: "event"; readonly service: string; readonly event: StatusEvent }
  | ({ readonly kind: "gone"; readonly service: string } & Report)
  /** Why the settings were not read; without an error: they are. */
  | { readonly kind: "note"; readonly error?: string; readonly hint?: string }
  /** It is no service of the device any more. */
  | { readonly kind: "left"; readonly service: string }

export const services = new Map<string, Service>()

export const take = (told: Exclude<Told, { kind: "note" }>): Service | undefined => {
  if (told.kind === "left") {
    services.delete(told.service)
    return undefined
  }
  const known = services.get(told.service)
  const service = known ?? {
    name: told.service,
    snapshot: undefined,
    before: undefined,
    isGone: true,
    report: { state: "unknown", bad: false },
    points: [],
    log: []
  }
  if (known === undefined) services.set(told.service, service)
  if (told.kind !== "event") {
    service.report = told
    service.isGone = told.kind === "gone"
  }
  if (told.kind === "event" && told.event.event === "log")
    service.log = [...service.log, told.event.line].slice(-mostLines)
  if (told.kind === "snapshot") takeSnapshot(service, told.snapshot)
  return service
}

const takeSnapshot = (service: Service, snapshot: Snapshot): void => {
  const last = isSameRun(service.snapshot, snapshot) ? service.snapshot : undefined
  // A tab that is shown again gets the one it has already.
  if (last?.service.uptime_ms === snapshot.service.uptime_ms) return
  service.before = last
  service.snapshot = snapshot
  service.log = snapshot.log
  const before = service.before
  const earlier = earlierPoints(service.points, before, snapshot)
  const added = before === undefined ? ofHistory(snapshot, earlier.at(-1)?.at ?? 0) : [pointOf(before, snapshot)]
  service.points = [...earlier, ...added].slice(-mostPoints)
}

/** Their times move when the clock of the device is set: uPlot needs ascending ones. */
const earlierPoints = (points: ReadonlyArray<Point>, before: Snapshot | undefined, now: Snapshot) => {
  const stepMs = now.service.started_at - (before ?? now).service.started_at
  const moved = stepMs === 0 ? points : points.map((point) => ({ ...point, at: point.at + stepMs / 1000 }))
  return moved.filter(({ at }) => at < now.at / 1000)
}

/** Another run counts from zero. */
const isSameRun = (before: Snapshot | undefined, { service: { pid, uptime_ms } }: Snapshot): boolean =>
  before?.service.pid === pid && before.service.uptime_ms <= uptime_ms

/** Whatever the clock of the device was set to meanwhile. */
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

/** The last minutes, as the service remembers them. */
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
