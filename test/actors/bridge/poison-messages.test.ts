/** A message at which the broker closes the connection each time, on the test clock. */

import { Effect } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { PoisonMessages } from "../../../src/actors/bridge/poison-messages.ts"
import { passTime, settled } from "../../../src/testing/test-clock.ts"
import { down, run, startBridge, up } from "./scripted-bridge.ts"

const poison = "thinedge/dev01/td/poison"

/** A bridge whose cloud disconnects at the poison, with three messages that came together. */
const poisoned = Effect.gen(function* () {
  const started = yield* startBridge
  const { cloud, change, bridge } = started
  yield* change("local", up(false))
  yield* change("cloud", up(false))
  cloud.hangsUpAt = ({ topic }) => topic === poison
  const deliveries = ["before", "poison", "after"].map((name, n) => ({
    delivery: n + 1,
    message: { topic: `aws/td/${name}`, payload: Buffer.from("x"), qos: 1 as const, retain: false }
  }))
  yield* Effect.ignore(bridge.tell("Received", { side: "local", deliveries }))
  yield* settled
  const reconnect = Effect.suspend(() => Effect.andThen(change("cloud", down), change("cloud", up(false))))
  return { ...started, reconnect }
})

describe("a message at which the cloud disconnects", () => {
  it("is held back after the third connection that ended with it; the others go through once each", () =>
    run(
      Effect.gen(function* () {
        const { local, cloud, reconnect } = yield* poisoned
        yield* reconnect
        yield* reconnect
        yield* reconnect
        expect(cloud.disconnects).toBe(3)
        expect(cloud.published).toEqual(["before", "after"].map((name) => `thinedge/dev01/td/${name}`))
        yield* passTime("1 second")
        expect([...local.acknowledged].sort()).toEqual([1, 3])
        // Suspects are sent alone: the neighbour was on its way with the first two attempts only.
        expect(cloud.attempts.filter((topic) => topic.endsWith("after")).length).toBeLessThanOrEqual(3)
      })
    ))

  it("does not end further connections, except for an attempt from time to time", () =>
    run(
      Effect.gen(function* () {
        const { cloud, reconnect, receive } = yield* poisoned
        for (let n = 0; n < 6; n++) yield* reconnect
        expect(cloud.disconnects).toBe(3)
        yield* receive("local", 9, "aws/td/later")
        expect(cloud.published).toContain("thinedge/dev01/td/later")
        yield* passTime("6 minutes")
        expect(cloud.disconnects).toBe(4)
        yield* reconnect
        yield* passTime("8 minutes")
        expect(cloud.disconnects).toBe(4)
        yield* passTime("2 minutes")
        expect(cloud.disconnects).toBe(5)
      })
    ))

  it("goes through, and is acknowledged, when the cloud takes it after all", () =>
    run(
      Effect.gen(function* () {
        const { local, cloud, reconnect } = yield* poisoned
        for (let n = 0; n < 4; n++) yield* reconnect
        cloud.hangsUpAt = () => false
        yield* passTime("6 minutes")
        expect(cloud.published.at(-1)).toBe(poison)
        expect([...local.acknowledged].sort()).toEqual([1, 2, 3])
      })
    ))

  it("is known when its own broker gives it again", () =>
    run(
      Effect.gen(function* () {
        const { local, cloud, reconnect, change, receive } = yield* poisoned
        for (let n = 0; n < 4; n++) yield* reconnect
        yield* change("local", down)
        yield* change("local", up(true))
        yield* receive("local", 12, "aws/td/poison")
        for (let n = 0; n < 4; n++) yield* reconnect
        expect(cloud.disconnects).toBe(3)
        expect(local.acknowledged).not.toContain(12)
      })
    ))
})

describe("PoisonMessages", () => {
  const sent = (delivery: number) => ({
    delivery,
    message: { topic: `t/${delivery}`, payload: Buffer.from(String(delivery)), qos: 1 as const, retain: false }
  })

  it("finds whichever message it is, however many are in flight, and holds back no other", () =>
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), fc.nat(), fc.boolean(), (count, seed, losesAcks) => {
        const poison = new PoisonMessages()
        const culprit = (seed % count) + 1
        let left = Array.from({ length: count }, (_, n) => sent(n + 1))
        const held: Array<number> = []
        for (let connection = 0; left.length > 0 && connection < 200; connection++) {
          for (let isOpen = true; isOpen && left.length > 0; ) {
            const batch = poison.isCautious ? left.slice(0, 1) : left
            const at = batch.findIndex(({ delivery }) => delivery === culprit)
            const through = at < 0 ? batch : losesAcks && batch.length > 1 ? [] : batch.slice(0, at)
            for (const one of through) poison.done(one, true)
            left = left.filter((one) => !through.includes(one))
            if (at < 0) continue
            isOpen = false
            const found = poison.disconnected(
              batch.filter((one) => !through.includes(one)),
              0
            )
            if (found === undefined) continue
            held.push(found.delivery)
            left = left.filter(({ delivery }) => delivery !== found.delivery)
          }
        }
        expect(held).toEqual([culprit])
        expect(left).toEqual([])
        expect(poison.isCautious).toBe(false)
      })
    ))

  it("holds back nothing while connections end on a different message each time", () => {
    const poison = new PoisonMessages()
    for (let n = 1; n < 50; n++) {
      expect(poison.disconnected([sent(n), sent(n + 1)], 0)).toBeUndefined()
      poison.done(sent(n), true)
      expect(poison.isCautious).toBe(false)
    }
  })
})
