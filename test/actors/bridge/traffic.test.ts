/** What the bridge shows people of its messages: counts, plots of the last minutes, and one message on its way. */
import { Effect } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { LinkHistory } from "../../../src/actors/bridge/side.ts"
import { History } from "../../../src/actors/bridge/traffic.ts"
import { DialFailed, type LinkStatus } from "../../../src/messages/mqtt.ts"
import type { EventTime, Present } from "../../../src/runtime/primitives/event-time.ts"
import { passTime, settled } from "../../../src/testing/test-clock.ts"
import { down, run, startBridge, up } from "./scripted-bridge.ts"

describe("the history of a direction", () => {
  it("has what came in the last five minutes, in its bucket, and nothing older", () => {
    const step = fc.record({ after: fc.nat({ max: 90_000 }), messages: fc.nat({ max: 50 }) })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.nat({ max: 400_000 }), (steps, atTheEnd) => {
        const history = new History()
        const seen: Array<{ at: number; messages: number }> = []
        let now = 1_000_000
        for (const { after, messages } of steps) {
          now += after
          history.add(now, messages, messages * 10)
          seen.push({ at: now, messages })
        }
        now += atTheEnd
        const facts = history.facts(now)
        const expected = Array.from({ length: 60 }, (_, index) => {
          const bucket = Math.floor(now / 5_000) - 59 + index
          return seen.filter(({ at }) => Math.floor(at / 5_000) === bucket).reduce((sum, one) => sum + one.messages, 0)
        })
        expect(facts.messages).toEqual(expected)
        expect(facts.bytes).toEqual(expected.map((count) => count * 10))
      }),
      { seed: 18, numRuns: 300 }
    )
  })
})

describe("the past of a link", () => {
  const at = (ms: number, stepMs = 0): EventTime => ({ wallMs: ms + stepMs, monotonicMs: ms })
  const now = (ms: number, stepMs = 0): Present => ({ ...at(ms, stepMs), suspendedMs: 0 })

  const failed: LinkStatus = {
    _tag: "Down",
    failure: new DialFailed({ host: "h", port: 1, code: "ECONNREFUSED", detail: "" }),
    retryInMs: 5_000,
    attempt: 2
  }

  it("says since when it is down and why, through all attempts, and when the next one is", () => {
    const past = new LinkHistory()
    past.change({ _tag: "Connecting", attempt: 1 }, at(1_000))
    past.change(up(false), at(2_000))
    expect(past.report(now(9_000))).toMatchObject({
      since: 2_000,
      connections: 1,
      failure: undefined,
      lastLost: undefined
    })
    past.change(failed, at(10_000))
    expect(past.report(now(11_000))).toMatchObject({ since: 10_000, retryAt: 15_000, lastLost: { at: 10_000 } })
    past.change({ _tag: "Connecting", attempt: 2 }, at(15_000))
    expect(past.report(now(16_000))).toMatchObject({
      since: 10_000,
      retryAt: undefined,
      failure: { _tag: "DialFailed" }
    })
    past.change(failed, at(17_000))
    expect(past.report(now(17_000))).toMatchObject({ since: 10_000, retryAt: 22_000, lastLost: { at: 10_000 } })
    past.change(up(true), at(20_000))
    expect(past.report(now(30_000))).toMatchObject({ since: 20_000, connections: 2, failure: undefined })
  })

  it("is dated by the clock as it is set now", () => {
    const past = new LinkHistory()
    const step = 86_400_000
    past.change(up(false), at(2_000))
    past.change(failed, at(3_000))
    expect(past.report(now(5_000, step))).toMatchObject({
      since: 3_000 + step,
      retryAt: 8_000 + step,
      lastLost: { at: 3_000 + step }
    })
  })
})

describe("a report of the bridge", () => {
  it("has messages and bytes each way, what waits and how long, and since when the bridge is up", () =>
    run(
      Effect.gen(function* () {
        const { bridge, change, receive } = yield* startBridge
        yield* change("local", up(false))
        yield* receive("local", 1, "aws/td/a")
        yield* passTime("3 seconds")
        const waiting = yield* bridge.ask("Report", { sample: false }, { within: "1 second" })
        expect(waiting).toMatchObject({ health: "down", outbound: { waiting: 1, messages: 0, oldest_ms: 3_000 } })
        yield* change("cloud", up(false))
        yield* settled
        const through = yield* bridge.ask("Report", { sample: false }, { within: "1 second" })
        expect(through).toMatchObject({
          health: "up",
          outbound: { waiting: 0, messages: 1, oldest_ms: 0, dropped: 0, held_back: 0 },
          inbound: { messages: 0 },
          cloud: { connections: 1, status: { _tag: "Up" } }
        })
        expect(through.outbound.bytes).toBeGreaterThan(0)
        expect(through.outbound.history.messages.at(-1)).toBe(1)
        yield* change("cloud", down)
        const lost = yield* bridge.ask("Report", { sample: false }, { within: "1 second" })
        expect(lost).toMatchObject({ health: "down", cloud: { lastLost: { failure: { _tag: expect.any(String) } } } })
      })
    ))

  it("counts what the cloud refuses for now as held back, until it is taken", () =>
    run(
      Effect.gen(function* () {
        const { bridge, cloud, change, receive } = yield* startBridge
        yield* change("local", up(false))
        yield* change("cloud", up(false))
        cloud.refusing.set("thinedge/dev01/td/a", 0x97)
        yield* receive("local", 1, "aws/td/a")
        yield* settled
        const report = () => bridge.ask("Report", { sample: false }, { within: "1 second" })
        expect(yield* report()).toMatchObject({ outbound: { waiting: 1, held_back: 1 } })
        cloud.refusing.clear()
        yield* passTime("5 seconds")
        expect(yield* report()).toMatchObject({ outbound: { waiting: 0, held_back: 0, messages: 1 } })
      })
    ))

  it("follows one message when it is asked to, and none without", () =>
    run(
      Effect.gen(function* () {
        const { bridge, change, receive } = yield* startBridge
        yield* change("local", up(false))
        yield* receive("local", 1, "aws/td/a")
        expect((yield* bridge.ask("Report", { sample: true }, { within: "1 second" })).message).toBeUndefined()
        yield* receive("local", 2, "aws/td/b")
        yield* receive("local", 3, "aws/td/c")
        yield* passTime("2250 micros")
        yield* change("cloud", up(false))
        yield* settled
        expect((yield* bridge.ask("Report", { sample: false }, { within: "1 second" })).message).toMatchObject({
          about: "thinedge/dev01/td/b",
          direction: "outbound",
          outcome: "ok",
          took_ms: 2.25,
          hops: [
            { name: "bridge", at_ms: 0, took_ms: 2.25 },
            { name: "publish, until PUBACK" },
            { name: "acknowledge" }
          ]
        })
      })
    ))
})
