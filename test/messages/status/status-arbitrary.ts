/** Snapshots and events of any shape the schema allows. */
import fc from "fast-check"
import type { StatusEvent } from "../../../src/messages/status/event.ts"
import { type Snapshot, statusVersion } from "../../../src/messages/status/snapshot.ts"

const text = fc.string({ unit: "binary", maxLength: 40 })
const number = fc.oneof(fc.nat(), fc.double({ noNaN: true, noDefaultInfinity: true, min: 0 }))
const time = fc.nat({ max: 4_102_444_800_000 })

const record = <T, K extends keyof T = never>(
  needed: { [key in Exclude<keyof T, K>]: fc.Arbitrary<T[key]> },
  may: { [key in K]: fc.Arbitrary<Exclude<T[key], undefined>> }
): fc.Arbitrary<T> =>
  fc.record({ ...needed, ...may }, { requiredKeys: Object.keys(needed) as never }) as unknown as fc.Arbitrary<T>

const few = <T>(one: fc.Arbitrary<T>) => fc.array(one, { maxLength: 4 })

const trouble = { error_tag: text, error: text, hint: text }

type Facts<K extends keyof Snapshot> = Exclude<Snapshot[K], undefined>

const link = record<Facts<"broker">, "error_tag" | "error" | "hint" | "retry_at" | "attempt" | "last_lost" | "faults">(
  {
    host: text,
    port: fc.nat({ max: 65_535 }),
    state: fc.constantFrom("connecting", "up", "down", "stopped"),
    since: time,
    connections: fc.nat()
  },
  {
    ...trouble,
    retry_at: time,
    attempt: fc.nat(),
    last_lost: record<NonNullable<Facts<"broker">["last_lost"]>, "error_tag" | "error" | "hint">({ at: time }, trouble),
    faults: few(fc.record({ filter: text, code: fc.nat({ max: 255 }) }))
  }
)

const signatures = record<Facts<"key">["signatures"], "last">(
  { count: fc.nat(), failed: fc.nat(), took_ms: number, longest_ms: number },
  { last: fc.record({ at: time, took_ms: number, outcome: text }) }
)

export const timelines = record<Facts<"signature">, "direction">(
  {
    at: time,
    took_ms: number,
    about: text,
    outcome: text,
    hops: few(
      record<Facts<"signature">["hops"][number], "actor">(
        { name: text, at_ms: number, took_ms: number },
        { actor: text }
      )
    )
  },
  { direction: fc.constantFrom("outbound", "inbound") }
)

const direction = fc.record({
  messages: fc.nat(),
  bytes: fc.nat(),
  waiting: fc.nat(),
  oldest_ms: number,
  held_back: fc.nat(),
  dropped: fc.nat(),
  history: fc.record({ bucket_ms: fc.constant(5_000), messages: few(fc.nat()), bytes: few(fc.nat()) })
})

const logLines = fc.record({
  at: time,
  level: fc.constantFrom("error" as const, "warn" as const, "info" as const, "debug" as const, "trace" as const),
  target: text,
  text
})

const counters = {
  capacity: fc.nat(),
  depth: fc.nat(),
  max_depth: fc.nat(),
  held: fc.nat(),
  oldest_ms: number,
  handled: fc.nat(),
  wait_ms: number,
  longest_wait_ms: number,
  handling_ms: number,
  longest_handling_ms: number,
  restarts: fc.nat(),
  dropped: fc.nat(),
  coalesced: fc.nat(),
  refused: fc.nat(),
  dead_letters: fc.nat(),
  late_answers: fc.nat()
}

export const snapshots = record<
  Snapshot,
  "connection" | "key" | "bridge" | "broker" | "clients" | "signature" | "message" | "missed" | "silent"
>(
  {
    version: fc.constant(statusVersion),
    answer: fc.constant("snapshot"),
    at: time,
    service: fc.record({
      name: text,
      version: text,
      pid: fc.nat(),
      started_at: time,
      uptime_ms: number,
      memory: fc.record({ rss_bytes: fc.nat(), heap_bytes: fc.nat() })
    }),
    supervisors: few(
      record<Snapshot["supervisors"][number], "supervisor">(
        {
          name: text,
          strategy: fc.constantFrom("one_for_one", "rest_for_one", "one_for_all"),
          max: fc.nat(),
          within_ms: number,
          on_exhausted: fc.constantFrom("escalate", "park")
        },
        { supervisor: text }
      )
    ),
    actors: few(
      record<Snapshot["actors"][number], "reason" | "retry_in_ms">(
        {
          name: text,
          supervisor: text,
          state: fc.constantFrom("idle", "starting", "ready", "stopping", "waiting", "parked", "stopped"),
          peers: few(text),
          overflow: fc.constantFrom("block", "refuse", "coalesce", "drop"),
          handling: few(fc.record({ message: text, for_ms: number })),
          ...counters
        },
        { reason: text, retry_in_ms: number }
      )
    ),
    log: few(logLines)
  },
  {
    connection: record<Facts<"connection">, "profile" | "handshake" | "certificate">(
      { cloud: fc.constantFrom("c8y", "az", "aws"), device_id: text, link },
      {
        profile: text,
        handshake: fc.constantFrom("signed", "resumed"),
        certificate: fc.record({
          path: text,
          subject: text,
          issuer: text,
          key: fc.constantFrom("token" as const, "file" as const, "none" as const),
          valid_from: time,
          valid_until: time,
          renew_from: time
        })
      }
    ),
    key: record<Facts<"key">, "path" | "uri">(
      {
        via: fc.constantFrom("module", "socket", "file", "none"),
        signatures,
        tokens: few(
          record<Facts<"key">["tokens"][number], "since" | "reason">(
            {
              token: text,
              state: fc.constantFrom("there", "gone", "waiting", "unknown"),
              pin: fc.constantFrom("ok", "latched", "locked", "unknown"),
              signatures
            },
            { since: time, reason: text }
          )
        )
      },
      { path: text, uri: text }
    ),
    bridge: fc.record({
      state: fc.constantFrom("up" as const, "down" as const),
      since: time,
      outbound: direction,
      inbound: direction
    }),
    broker: link,
    clients: fc.record({
      connections: fc.nat(),
      answering: fc.nat(),
      served: fc.nat(),
      refused: fc.nat(),
      aborted: fc.nat()
    }),
    signature: timelines,
    message: timelines,
    missed: fc.nat(),
    silent: fc.boolean()
  }
)

export const events: fc.Arbitrary<StatusEvent> = fc.oneof(
  record<Extract<StatusEvent, { event: "actor" }>, "reason" | "after_ms" | "message" | "took_ms">(
    {
      event: fc.constant("actor"),
      at: time,
      actor: text,
      change: fc.constantFrom("started", "ready", "failed", "restarting", "gave_up", "stopped", "slow", "dead_letter")
    },
    { reason: text, after_ms: number, message: text, took_ms: number }
  ),
  record<Extract<StatusEvent, { event: "link" }>, "error" | "hint" | "retry_in_ms">(
    {
      event: fc.constant("link"),
      at: time,
      side: fc.constantFrom("local", "cloud"),
      state: fc.constantFrom("connecting", "up", "down", "stopped")
    },
    { error: text, hint: text, retry_in_ms: number }
  ),
  record<Extract<StatusEvent, { event: "token" }>, "reason">(
    {
      event: fc.constant("token"),
      at: time,
      token: text,
      change: fc.constantFrom("plugged", "gone", "waits", "host_replaced", "pin_latched")
    },
    { reason: text }
  ),
  fc.record({ event: fc.constant("signature" as const), signature: timelines }),
  fc.record({ event: fc.constant("log" as const), line: logLines })
)
