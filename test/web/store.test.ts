/** What the page keeps of a service whose device has its clock set. */
import { beforeEach, describe, expect, it } from "vitest"
import type { Snapshot } from "../../src/messages/status/snapshot.ts"
import { apply, secondsBetween, services } from "../../web/store.ts"

const begin = 1_700_000_000_000
const hour = 3_600_000

/** `stepMs`: by how much the clock was set, all in all. */
const snapshot = (uptimeMs: number, { stepMs = 0, pid = 1, messages = 0 } = {}): Snapshot => {
  const direction = { messages, bytes: 0, waiting: 0, oldest_ms: 0, held_back: 0, dropped: 0 }
  const history = { bucket_ms: 5_000, messages: [3, 2, 1], bytes: [0, 0, 0] }
  return {
    version: 1,
    answer: "snapshot",
    at: begin + stepMs + uptimeMs,
    service: {
      name: "tedge-mapper-c8y",
      version: "1",
      pid,
      started_at: begin + stepMs,
      uptime_ms: uptimeMs,
      memory: { rss_bytes: 0, heap_bytes: 0 }
    },
    bridge: {
      state: "up",
      since: begin,
      outbound: { ...direction, history },
      inbound: { ...direction, history }
    },
    supervisors: [],
    actors: [],
    log: []
  }
}

const receive = (one: Snapshot) => {
  const service = apply({ kind: "snapshot", service: "tedge-mapper-c8y", snapshot: one, state: "up", bad: false })
  if (service === undefined) throw new Error("it is kept")
  return service
}

const isAscending = (values: ReadonlyArray<number>) => values.every((value, index) => value > (values[index - 1] ?? 0))

describe("the plots of a service", () => {
  beforeEach(() => services.clear())

  for (const stepMs of [hour, -hour])
    it(`go on when the clock is set by ${stepMs / 1000} s`, () => {
      receive(snapshot(60_000))
      receive(snapshot(61_000, { messages: 7 }))
      const { points, before, snapshot: last } = receive(snapshot(62_000, { messages: 12, stepMs }))
      expect(points.map(({ out }) => out)).toEqual([0.6, 0.4, 0.2, 7, 5])
      expect(isAscending(points.map(({ at }) => at))).toBe(true)
      expect((points.at(-1)?.at ?? 0) - (points[0]?.at ?? 0)).toBe(12)
      expect(before && last && secondsBetween(before, last)).toBe(1)
    })

  it("have a snapshot that comes twice once", () => {
    receive(snapshot(60_000))
    receive(snapshot(61_000, { messages: 7 }))
    const { points } = receive(snapshot(61_000, { messages: 7 }))
    expect(points.map(({ out }) => out)).toEqual([0.6, 0.4, 0.2, 7])
  })

  it("begin anew for another run that is earlier by the clock", () => {
    receive(snapshot(60_000))
    const { points, before } = receive(snapshot(11_000, { pid: 2, stepMs: -hour }))
    expect(before).toBeUndefined()
    expect(points.map(({ out }) => out)).toEqual([0.6, 0.4, 0.2])
  })

  it("go on after a restart with the same process id", () => {
    receive(snapshot(60_000))
    const { before } = receive(snapshot(1_000, { stepMs: 61_000 }))
    expect(before).toBeUndefined()
  })
})
