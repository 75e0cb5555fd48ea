/** What leaves when, in which order, and which PUBACKs are missing: on a clock that is moved by hand. */
import { Effect, Exit, Fiber } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { type ConnectionEnded, ConnectionLifetime } from "../../../../src/actors/mqtt/client/connection-lifetime.ts"
import type { Publish } from "../../../../src/actors/mqtt/client/packet-stream.ts"
import { PublishFlow } from "../../../../src/actors/mqtt/client/publish-flow.ts"
import { BrokerRefused, ConnectionLost, type MqttMessage } from "../../../../src/messages/mqtt.ts"

const handClock = () => {
  let now = 1
  const timers: Array<readonly [at: number, call: () => void]> = []
  return {
    now: () => now,
    after: (ms: number, call: () => void) => void timers.push([now + ms, call]),
    to: (until: number) => {
      for (;;) {
        timers.sort(([one], [other]) => one - other)
        const [next] = timers
        if (next === undefined || next[0] > until) break
        timers.shift()
        now = Math.max(now, next[0])
        next[1]()
      }
      now = until
    }
  }
}

const place = { host: "h", port: 1 }

const refusalOf = ({ reason }: ConnectionEnded) =>
  reason.kind === "publishRefused"
    ? new BrokerRefused({ ...place, code: reason.code, detail: "" })
    : new ConnectionLost({ ...place, stage: "connected", detail: "" })

const message = (topic: string, { size = 1, qos = 1 }: { size?: number; qos?: 0 | 1 } = {}): MqttMessage => ({
  topic,
  payload: Buffer.alloc(size),
  qos,
  retain: false
})

const startFlow = (options: { perSecond?: number; receiveMaximum?: number; maximumPacketSize?: number } = {}) => {
  const { perSecond = 0, ...limits } = options
  const clock = handClock()
  const lifetime = new ConnectionLifetime()
  const sent: Array<{ readonly topic: string; readonly packetId: number; readonly at: number }> = []
  let written: Array<() => void> = []
  const send = (packet: Publish | number, done?: () => void) => {
    if (typeof packet === "number") throw new Error("no PUBACK is sent here")
    sent.push({ topic: packet.message.topic, packetId: packet.packetId, at: clock.now() })
    if (done !== undefined) written.push(done)
  }
  const flow = new PublishFlow(lifetime, { version: 5, limits, send, perSecond, refusalOf, clock })
  return {
    clock,
    flow,
    lifetime,
    sent,
    publish: (...messages: ReadonlyArray<MqttMessage>) => Effect.runFork(flow.publishAll(messages)),
    write: () => {
      const due = written
      written = []
      for (const done of due) done()
    },
    acknowledge: (topic: string, code = 0) =>
      flow.acknowledged(sent.find((one) => one.topic === topic)?.packetId ?? 0, code)
  }
}

const sendAll = (rate: number, arrivals: ReadonlyArray<number>, untilMs: number): ReadonlyArray<number> => {
  const { clock, publish, sent } = startFlow({ perSecond: rate })
  for (const at of [...arrivals].sort((one, other) => one - other)) {
    clock.to(at)
    publish(message("t"))
  }
  clock.to(untilMs)
  return sent.map(({ at }) => at)
}

const mostInASecond = (sent: ReadonlyArray<number>): number =>
  Math.max(0, ...sent.map((from) => sent.filter((at) => at >= from && at < from + 1_000).length))

const answerOf = <A>(fiber: Fiber.Fiber<A>): A | undefined => {
  const exit = fiber.pollUnsafe()
  return exit !== undefined && Exit.isSuccess(exit) ? exit.value : undefined
}

describe("the pace of publishes", () => {
  it("is never above the rate in any second, and loses none", () =>
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 300 }), fc.array(fc.nat(3_000), { maxLength: 400 }), (rate, arrivals) => {
        const sent = sendAll(rate, arrivals, 10_000_000)
        expect(sent).toHaveLength(arrivals.length)
        expect(mostInASecond(sent)).toBeLessThanOrEqual(rate)
      }),
      { numRuns: 60 }
    ))

  it("is nine tenths of the rate when there is always something to send", () => {
    const sent = sendAll(
      100,
      Array.from({ length: 1_000 }, () => 0),
      10_000
    )
    expect(sent.length).toBeGreaterThan(850)
  })

  it("is no pace at rate 0", () => {
    expect(sendAll(0, [5, 5, 5], 5)).toEqual([5, 5, 5])
  })

  it("forgets what is given up", async () => {
    const { clock, publish, sent } = startFlow({ perSecond: 1 })
    publish(message("a"))
    const given = publish(message("b"))
    publish(message("c"))
    await Effect.runPromise(Fiber.interrupt(given))
    clock.to(5_000)
    expect(sent.map(({ topic }) => topic)).toEqual(["a", "c"])
  })
})

describe("publishes in flight", () => {
  it("are never more than the broker takes, leave in order, and are each answered once", () =>
    fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 5 }),
        fc.array(
          fc.oneof(
            { weight: 3, arbitrary: fc.array(fc.constantFrom(0 as const, 1 as const), { minLength: 1, maxLength: 6 }) },
            { weight: 3, arbitrary: fc.constant("acknowledge" as const) },
            { weight: 1, arbitrary: fc.constant("write" as const) },
            { weight: 1, arbitrary: fc.constant("give up" as const) }
          ),
          { maxLength: 60 }
        ),
        async (receiveMaximum, steps) => {
          const { flow, publish, sent, write } = startFlow({ receiveMaximum })
          const batches: Array<Fiber.Fiber<unknown>> = []
          const acknowledged = new Set<number>()
          const open = () => sent.filter(({ packetId }, at) => packetId !== 0 && !acknowledged.has(at))
          const acknowledgeNext = () => {
            const at = sent.findIndex(({ packetId }, index) => packetId !== 0 && !acknowledged.has(index))
            if (at < 0) return
            acknowledged.add(at)
            flow.acknowledged(sent[at]?.packetId ?? 0, 0)
          }
          let number = 0
          for (const step of steps) {
            if (step === "acknowledge") acknowledgeNext()
            else if (step === "write") write()
            else if (step === "give up") await Effect.runPromise(Fiber.interruptAll(batches.slice(-1)))
            else batches.push(publish(...step.map((qos) => message(String(number++), { qos }))))
            expect(open().length).toBeLessThanOrEqual(receiveMaximum)
            expect(flow.count).toBe(open().length)
            const ids = open().map(({ packetId }) => packetId)
            expect(new Set(ids).size).toBe(ids.length)
          }
          for (let before = -1; before !== sent.length + acknowledged.size; ) {
            before = sent.length + acknowledged.size
            acknowledgeNext()
            write()
          }
          expect(sent.map(({ topic }) => Number(topic))).toEqual(
            sent.map(({ topic }) => Number(topic)).sort((a, b) => a - b)
          )
          expect(batches.every((batch) => batch.pollUnsafe() !== undefined)).toBe(true)
          await Effect.runPromise(flow.finish)
        }
      )
    ))

  it("are each answered by what became of it, when one is refused and the connection ends", () => {
    const { acknowledge, flow, lifetime, publish } = startFlow({ maximumPacketSize: 100 })
    const publishing = publish(message("large", { size: 200 }), message("taken"), message("refused"), message("cut"))
    acknowledge("taken", 0x10)
    acknowledge("refused", 0x97)
    lifetime.end({ kind: "closed" })
    expect(answerOf(publishing)).toMatchObject([
      { index: 0, refusal: { code: 0x95 } },
      { index: 2, refusal: { code: 0x97 } },
      { index: 3, refusal: { _tag: "ConnectionLost" } }
    ])
    expect(flow.count).toBe(1)
  })

  it("are awaited before the end, and what waits is not sent any more", () => {
    const { acknowledge, flow, lifetime, publish, sent } = startFlow({ receiveMaximum: 1 })
    const publishing = publish(message("a"), message("b"))
    const finishing = Effect.runFork(flow.finish)
    expect(finishing.pollUnsafe()).toBeUndefined()
    acknowledge("a")
    expect(finishing.pollUnsafe()).toBeDefined()
    lifetime.end({ kind: "closed" })
    expect(sent.map(({ topic }) => topic)).toEqual(["a"])
    expect(answerOf(publishing)).toMatchObject([{ index: 1 }])
  })

  it("of QoS 0 are done when they are written, and hold back what comes after them", () => {
    const { publish, sent, write } = startFlow()
    const first = publish(message("a", { qos: 0, size: 100_000 }))
    const second = publish(message("b", { qos: 0 }))
    expect([sent.length, answerOf(first), answerOf(second)]).toEqual([1, undefined, undefined])
    write()
    expect([sent.length, answerOf(first)]).toEqual([2, []])
  })
})

describe("missing PUBACKs", () => {
  it("are those that later ones have overtaken", () => {
    const { acknowledge, clock, flow, publish } = startFlow()
    for (const [at, topic] of [
      [1, "a"],
      [10, "b"],
      [20, "c"],
      [30, "d"]
    ] as const) {
      clock.to(at)
      publish(message(topic))
    }
    clock.to(1_000)
    expect(flow.overtaken(0)).toBe(0)
    acknowledge("c")
    expect([flow.overtaken(0), flow.overtaken(991), flow.overtaken(999)]).toEqual([2, 1, 0])
    acknowledge("a")
    acknowledge("b")
    // Nothing was acknowledged after the last: the path may be slow.
    expect(flow.overtaken(0)).toBe(0)
  })
})

describe("a broker that acknowledges nothing", () => {
  /** Publishes that never end, one of them acknowledged every so often; answers whether the broker was found silent. */
  const watched = (size: number, everyS: number | undefined, forS: number): boolean => {
    const { acknowledge, clock, flow, publish } = startFlow()
    publish(message("0", { size }))
    let next = 0
    for (let s = 0; s < forS; s += 10) {
      clock.to(s * 1_000)
      if (flow.isSilent(120_000)) return true
      publish(message(`small/${s}`))
      if (everyS !== undefined && s % everyS === 0) acknowledge(next === 0 ? "0" : `small/${(next - 1) * 10}`)
      if (everyS !== undefined && s % everyS === 0) next += 1
    }
    return false
  }

  it("is silent when not one PUBACK came for the limit", () => {
    expect(watched(100, undefined, 160)).toBe(true)
    expect(watched(100, undefined, 110)).toBe(false)
  })

  it("is a slow path, and no silent broker, while one comes now and then", () => {
    expect(watched(100, 100, 3_600)).toBe(false)
  })

  it("has more time when the message is large: 1 MB takes minutes at 16 kbit/s", () => {
    expect(watched(1_000_000, undefined, 600)).toBe(false)
    expect(watched(1_000_000, undefined, 700)).toBe(true)
  })
})
