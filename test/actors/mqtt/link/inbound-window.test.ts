import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { InboundWindow } from "../../../../src/actors/mqtt/link/inbound-window.ts"
import type { Delivery } from "../../../../src/messages/mqtt.ts"

const bounds = {
  window: 3,
  windowBytes: 50,
  waitingQos0: 4,
  waitingQos0Bytes: 64,
  waitingQos1: 5,
  waitingQos1Bytes: 100
}

type Step =
  | { readonly kind: "arrive"; readonly qos: 0 | 1; readonly size: number }
  | { readonly kind: "take" }
  | { readonly kind: "settle"; readonly which: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant("arrive" as const),
    qos: fc.constantFrom(0 as const, 1 as const),
    size: fc.integer({ min: 0, max: 40 })
  }),
  fc.record({ kind: fc.constant("take" as const) }),
  fc.record({ kind: fc.constant("settle" as const), which: fc.nat(10) })
)

const message = (qos: 0 | 1, size: number, name: string) => ({
  topic: name,
  payload: Buffer.alloc(size),
  qos,
  retain: false
})

const takenFrom = ({ delivery, message: { topic, qos, payload } }: Delivery) => ({
  delivery,
  topic,
  qos,
  size: payload.length
})

const makeWindow = () => new InboundWindow(bounds, { deliveries: 0 })

describe("the messages between a broker and the receiver", () => {
  it("keep their order and their bounds, and no QoS 1 among them is lost", () =>
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const window = makeWindow()
        const accepted: Array<string> = []
        const taken: Array<{ delivery: number; topic: string; qos: 0 | 1; size: number }> = []
        const open: Array<number> = []
        steps.forEach((one, n) => {
          if (one.kind === "arrive") {
            const inbound = {
              packetId: one.qos === 0 ? undefined : n,
              message: message(one.qos, one.size, `${one.qos}/${n}`)
            }
            if (window.arrive(1, inbound) === "accepted") accepted.push(`${one.qos}/${n}`)
            else expect(one.qos).toBe(1)
          } else if (one.kind === "take") {
            const next = window.take()
            if (next === undefined) return
            taken.push(takenFrom(next))
            open.push(next.delivery)
          } else {
            const [delivery] = open.splice(one.which % Math.max(1, open.length), 1)
            if (delivery === undefined) return
            const due = window.acknowledge(delivery)
            const { qos } = taken.find((entry) => entry.delivery === delivery) ?? { qos: 0 }
            expect(due === undefined).toBe(qos === 0)
            expect(window.acknowledge(delivery)).toBeUndefined()
          }
          expect(window.withReceiver).toBeLessThanOrEqual(bounds.window)
          const inHands = taken.filter(({ delivery }) => open.includes(delivery))
          const last = inHands.at(-1)?.size ?? 0
          expect(inHands.reduce((sum, { size }) => sum + size, 0) - last).toBeLessThan(bounds.windowBytes)
          expect(window.depth).toBeLessThanOrEqual(bounds.waitingQos0 + bounds.waitingQos1)
          const hasQos1 = taken.some(({ delivery, qos }) => qos === 1 && open.includes(delivery))
          if (hasQos1) expect(window.needsAnother(1)).toBe(false)
        })
        for (const delivery of open) window.acknowledge(delivery)
        for (let next = window.take(); next !== undefined; next = window.take()) {
          taken.push(takenFrom(next))
          window.acknowledge(next.delivery)
        }
        const topics = taken.map(({ topic }) => topic)
        expect(topics).toEqual(accepted.filter((topic) => topics.includes(topic)))
        expect(accepted.filter((topic) => !topics.includes(topic) && topic.startsWith("1/"))).toEqual([])
        expect(window.dropped).toBe(accepted.length - topics.length)
      })
    ))

  it("are forgotten where the broker sends them again, and only there", () => {
    const window = makeWindow()
    window.arrive(1, { packetId: 1, message: message(1, 0, "old") })
    window.arrive(1, { packetId: undefined, message: message(0, 0, "volatile") })
    window.arrive(2, { packetId: 1, message: message(1, 0, "again") })
    window.sessionResumed(2)
    expect([window.take(), window.take(), window.take()].map((entry) => entry?.message.topic)).toEqual([
      "volatile",
      "again",
      undefined
    ])
  })

  it("ask for another connection when some overflowed and all before those are done", () => {
    const window = makeWindow()
    for (let n = 1; n <= 6; n++) window.arrive(1, { packetId: n, message: message(1, 0, `${n}`) })
    window.arrive(1, { packetId: undefined, message: message(0, 0, "volatile") })
    for (let n = 1; n <= 5; n++) {
      expect(window.needsAnother(1)).toBe(false)
      const next = window.take()
      // Nothing is accepted behind what overflowed.
      expect(window.arrive(1, { packetId: 9, message: message(1, 0, "late") })).toBe("overflow")
      window.acknowledge(next?.delivery ?? 0)
    }
    expect(window.needsAnother(1)).toBe(true)
    expect(window.needsAnother(2)).toBe(false)
    expect(window.arrive(2, { packetId: 1, message: message(1, 0, "6") })).toBe("accepted")
  })

  it("that are with the receiver can be given again, in order", () => {
    const window = makeWindow()
    for (const name of ["a", "b", "c"]) window.arrive(1, { packetId: 1, message: message(1, 0, name) })
    const first = window.take()
    window.take()
    window.acknowledge(first?.delivery ?? 0)
    expect(window.withReceiverInOrder().map((entry) => entry.message.topic)).toEqual(["b"])
  })
})
