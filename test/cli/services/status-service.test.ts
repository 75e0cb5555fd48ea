/** A service's status socket: what a snapshot and a stream hold, and that no reader costs more than it may. */
import { statSync, writeFileSync } from "node:fs"
import { createConnection, type Socket } from "node:net"
import { join } from "node:path"
import { Clock, Duration, Effect, Logger, type Scope } from "effect"
import { describe, expect, it } from "vitest"
import type { StatusFeed } from "../../../src/actors/status/status-feed.ts"
import { makeVisible, serveStatus, type Visible } from "../../../src/cli/services/status-service.ts"
import { printQuestion, type ServiceQuestion, serviceSocketPath } from "../../../src/messages/service-socket.ts"
import type { StatusEvent } from "../../../src/messages/status/event.ts"
import { parseStatusLine, type StatusLine } from "../../../src/messages/status/status-line.ts"
import { askJsonLine } from "../../../src/platform/sockets/json-lines-socket.ts"
import { RuntimeClock } from "../../../src/runtime/primitives/runtime-clock.ts"
import { quietly } from "../../support/quietly.ts"
import { tempDir } from "../../support/temp-dir.ts"

const run = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>) => Effect.runPromise(Effect.scoped(effect))

const name = "tedge-mapper-c8y"

interface Served {
  readonly path: string
  readonly visible: Visible
  readonly feed: StatusFeed
}

const serve = Effect.gen(function* () {
  const visible = makeVisible()
  const runPath = join(tempDir(), "run")
  yield* visible.around(
    serveStatus(visible, { name, runPath, parts: () => Effect.succeed({}), answer: () => undefined })
  )
  return { path: serviceSocketPath(runPath, name), visible, feed: visible.feed } satisfies Served
})

/** A client that reads when it is told to. */
const watcher = (path: string, everyMs: number) =>
  Effect.acquireRelease(
    Effect.sync(() => new Watcher(path, { ask: "stream", everyMs })),
    (one) => Effect.sync(() => void one.socket.destroy())
  )

class Watcher {
  readonly socket: Socket
  readonly lines: Array<StatusLine> = []
  isClosed = false
  private rest = ""

  constructor(path: string, question: ServiceQuestion) {
    this.socket = createConnection(path, () => this.socket.write(`${printQuestion(question)}\n`))
    this.socket
      .setEncoding("utf8")
      .on("error", () => {})
      .on("close", () => {
        this.isClosed = true
      })
      .on("data", (text: string) => {
        const lines = (this.rest + text).split("\n")
        this.rest = lines.pop() ?? ""
        this.lines.push(...lines.map(parseStatusLine))
      })
  }

  get snapshots() {
    return this.lines.flatMap((line) => (line.kind === "snapshot" ? [line.snapshot] : []))
  }

  get events() {
    return this.lines.flatMap((line) => (line.kind === "event" ? [line.event] : []))
  }
}

const eventually = (holds: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() => (holds() ? Effect.void : Effect.andThen(turn, eventually(holds))))

/** Sockets get on. */
const turn = Effect.callback<void>((resume) => void setImmediate(() => resume(Effect.void)))

const logEvent = (number: number): StatusEvent => ({
  event: "log",
  line: { at: number, level: "info", target: "test", text: "x".repeat(900) }
})

/** Knows which sleeps are going on. */
class CountingClock extends RuntimeClock {
  sleeping = 0

  constructor() {
    const monotonicNanos = () => process.hrtime.bigint()
    super({ monotonicNanos, wallMs: () => performance.timeOrigin + performance.now(), bootMs: () => performance.now() })
  }

  override sleep(duration: Duration.Duration): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.sleeping += 1
      const end = Effect.sync(() => {
        this.sleeping -= 1
      })
      return Effect.ensuring(super.sleep(duration), end)
    })
  }
}

describe("a service's status socket", () => {
  it("gives a snapshot of the process, its supervisors and actors, and of what was logged", () =>
    run(
      Effect.gen(function* () {
        const { path, visible } = yield* serve
        expect(statSync(path).mode & 0o777).toBe(0o660)
        yield* quietly(visible.around(Effect.annotateLogs(Effect.logInfo("a line"), { target: "test" })))
        visible.feed.publish(logEvent(1))
        const said = parseStatusLine(yield* askJsonLine(path, '{"version":1,"ask":"snapshot"}'))
        if (said.kind !== "snapshot") throw new Error("no snapshot")
        expect(said.snapshot).toMatchObject({
          service: { name, pid: process.pid, memory: { rss_bytes: expect.any(Number) } },
          supervisors: [{ name: "observers", strategy: "one_for_one", on_exhausted: "park" }],
          actors: [{ name: "status", supervisor: "observers", state: "ready" }],
          log: [{ at: 1, target: "test" }]
        })
      })
    ))

  it("says when the process started by the clock as it is set now, and for how long it has run", () => {
    let step = 0
    const clock = new RuntimeClock({
      monotonicNanos: () => process.hrtime.bigint(),
      wallMs: () => step + performance.now(),
      bootMs: () => performance.now()
    })
    const program = Effect.gen(function* () {
      const { path } = yield* serve
      const year = 365 * 86_400_000
      step = year
      const said = parseStatusLine(yield* askJsonLine(path, '{"version":1,"ask":"snapshot"}'))
      if (said.kind !== "snapshot") throw new Error("no snapshot")
      const { at, service } = said.snapshot
      expect(at).toBeGreaterThan(year)
      expect(Math.abs(at - service.uptime_ms - service.started_at)).toBeLessThan(1_000)
    })
    return run(Effect.provideService(program, Clock.Clock, clock))
  })

  it("streams a snapshot at once and then each interval, and what happens between them", () =>
    run(
      Effect.gen(function* () {
        const { path, feed } = yield* serve
        const one = yield* watcher(path, 100)
        const other = yield* watcher(path, 60_000)
        yield* eventually(() => one.snapshots.length > 0 && other.snapshots.length > 0)
        feed.publish({ event: "actor", at: 7, actor: "mapper/cloud", change: "failed", reason: "BrokerSilent" })
        yield* eventually(() => one.snapshots.length > 2)
        for (const { events } of [one, other])
          expect(events).toEqual([
            { event: "actor", at: 7, actor: "mapper/cloud", change: "failed", reason: "BrokerSilent" }
          ])
        expect(other.snapshots).toHaveLength(1)
        expect(one.snapshots.every(({ missed }) => missed === undefined)).toBe(true)
      })
    ))

  it("drops events for a slow reader, counts them, and keeps few of them", () =>
    run(
      Effect.gen(function* () {
        const { path, feed } = yield* serve
        const reader = yield* watcher(path, 60_000)
        const slow = yield* watcher(path, 100)
        yield* eventually(() => slow.snapshots.length > 0 && reader.snapshots.length > 0)
        slow.socket.pause()
        const published = 20_000
        for (let number = 0; number < published; number += 1) {
          feed.publish(logEvent(number))
          if (number % 100 === 0) yield* turn
        }
        slow.socket.resume()
        const missed = () => slow.snapshots.reduce((sum, one) => sum + (one.missed ?? 0), 0)
        yield* eventually(() => missed() + slow.events.length === published)
        // What the kernel and the socket hold, and the inbox.
        expect(slow.events.length).toBeLessThan(2_000)
        const [last] = slow.events.slice(-1)
        expect(last).toEqual(logEvent(published - 1))
      })
    ))

  it("keeps the last lines of the log only, however many come at once", () =>
    run(
      Effect.gen(function* () {
        const { path, feed } = yield* serve
        for (let number = 0; number < 10_000; number += 1) feed.publish(logEvent(number))
        const one = yield* watcher(path, 100)
        yield* eventually(() => one.snapshots.at(-1)?.log.at(-1)?.at === 9_999)
        expect(one.snapshots.at(-1)?.log).toHaveLength(50)
      })
    ))

  it("runs a timer while someone watches, and none before and after that", () => {
    const clock = new CountingClock()
    return run(
      Effect.gen(function* () {
        const { path, feed } = yield* serve
        feed.publish(logEvent(1))
        expect(clock.sleeping).toBe(0)
        const one = yield* watcher(path, 100)
        yield* eventually(() => one.snapshots.length > 1)
        yield* eventually(() => clock.sleeping > 0)
        expect(feed.isWatched).toBe(true)
        one.socket.destroy()
        yield* eventually(() => !feed.isWatched && clock.sleeping === 0)
        feed.publish(logEvent(2))
        yield* turn
        expect(clock.sleeping).toBe(0)
      }).pipe(Effect.provideService(Clock.Clock, clock))
    )
  })

  it("cuts off a reader that takes nothing, and serves the others", () =>
    run(
      Effect.gen(function* () {
        const { path, feed } = yield* serve
        const slow = yield* watcher(path, 60_000)
        yield* eventually(() => slow.snapshots.length > 0)
        slow.socket.pause()
        // More than the kernel keeps for it.
        for (let number = 0; number < 2_000; number += 1) {
          feed.publish(logEvent(number))
          if (number % 100 === 0) yield* turn
        }
        // 10 seconds, of a clock that is in a hurry.
        yield* eventually(() => !feed.isWatched)
        const said = parseStatusLine(yield* askJsonLine(path, '{"version":1,"ask":"snapshot"}'))
        expect(said.kind).toBe("snapshot")
      }).pipe(Effect.provideService(Clock.Clock, new HurriedClock()))
    ))

  it("is not served where it cannot be created: a warning says so", () =>
    run(
      Effect.gen(function* () {
        const visible = makeVisible()
        const runPath = join(tempDir(), "run")
        writeFileSync(runPath, "")
        const parts = () => Effect.succeed({})
        const serving = serveStatus(visible, { name, runPath, parts, answer: () => undefined })
        const warned = yield* Effect.acquireRelease(
          Effect.sync(() => {
            const texts: Array<string> = []
            return { texts, stop: visible.feed.watch((event) => event.event === "log" && texts.push(event.line.text)) }
          }),
          ({ stop }) => Effect.sync(stop)
        )
        yield* Effect.provide(visible.around(serving), Logger.layer([]))
        expect(warned.texts).toEqual([
          expect.stringMatching(
            /^the socket .*tedge-mapper-c8y\.sock cannot be created: .*tedge status cannot ask this service$/
          )
        ])
      })
    ))

  it("answers a client beyond the limit that there are too many, and serves again when one leaves", () =>
    run(
      Effect.gen(function* () {
        const { path } = yield* serve
        const watchers = yield* Effect.forEach(Array.from({ length: 16 }), () => watcher(path, 60_000))
        yield* eventually(() => watchers.every((one) => one.snapshots.length > 0))
        const ask = askJsonLine(path, '{"version":1,"ask":"snapshot"}')
        expect(JSON.parse(yield* ask)).toEqual({ version: 1, error: "too many clients" })
        watchers[0]?.socket.destroy()
        const asked = Effect.map(ask, (line) => parseStatusLine(line).kind)
        yield* Effect.repeat(asked, { until: (kind) => kind === "snapshot" })
      })
    ))

  it.each(['{"version":1,"ask":"status"}', '{"version":1,"ask":"stream","every_ms":"often"}', "{}", "nonsense"])(
    "answers a question it does not know with an error: %s",
    (line) =>
      run(
        Effect.gen(function* () {
          const { path } = yield* serve
          expect(parseStatusLine(yield* askJsonLine(path, line)).kind).toBe("refused")
        })
      )
  )
})

/** A hundred times as fast. */
class HurriedClock extends CountingClock {
  override sleep(duration: Duration.Duration): Effect.Effect<void> {
    return super.sleep(Duration.millis(Duration.toMillis(duration) / 100))
  }
}
