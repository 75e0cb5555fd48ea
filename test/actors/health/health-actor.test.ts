/** HealthActor: what it says of the mapper and its bridge. */
import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { DialFailed, type LinkStatus } from "../../../src/messages/mqtt.ts"
import { passTime, settled, withTestClock } from "../../../src/testing/test-clock.ts"
import { bridge, service, startHealthWith, up } from "./health-bench.ts"

const startHealth = startHealthWith({})

const down: LinkStatus = {
  _tag: "Down",
  failure: new DialFailed({ host: "cloud.example", port: 8883, code: "ECONNREFUSED", detail: "" }),
  retryInMs: 1,
  attempt: 1
}
const connecting: LinkStatus = { _tag: "Connecting", attempt: 2 }

describe("HealthActor", () => {
  it("says why the bridge is down, keeps saying it while the next attempt runs, and takes it back", () =>
    withTestClock(
      Effect.gen(function* () {
        const { health, bridgeLink } = yield* startHealth
        for (const cloud of [down, connecting, down, up])
          yield* health.tell("BridgeHealth", { health: cloud === up ? "up" : "down", local: up, cloud })
        yield* settled
        const reasons = bridgeLink.published.filter(([topic]) => topic === bridge.reason).map(([, payload]) => payload)
        expect(reasons.at(-1)).toBe("")
        expect(reasons[0] ?? "").toMatch(/^(cloud: connection refused at cloud\.example:8883.*)?$/)
        expect(bridgeLink.published.filter(([topic]) => topic === bridge.health).at(-1)?.[1]).toBe('{"status":"up"}')
      })
    ))

  it("says it again to a local broker that has come back: it may have forgotten, or published the will", () =>
    withTestClock(
      Effect.gen(function* () {
        const { health, bridgeLink } = yield* startHealth
        yield* health.tell("BridgeHealth", { health: "down", local: up, cloud: down })
        yield* settled
        const before = bridgeLink.published.length
        yield* health.tell("BridgeHealth", { health: "down", local: down, cloud: down })
        yield* health.tell("BridgeHealth", { health: "down", local: up, cloud: down })
        yield* settled
        expect(bridgeLink.published.slice(before)).toEqual([
          [bridge.health, '{"status":"down"}'],
          [bridge.reason, expect.stringMatching(/^cloud: /)]
        ])
      })
    ))

  it("says which actors are parked while the bridge is up, beside what else is wrong, and takes it back", () =>
    withTestClock(
      Effect.gen(function* () {
        const { health, bridgeLink } = yield* startHealth
        const reason = () => bridgeLink.published.findLast(([topic]) => topic === bridge.reason)?.[1]
        const parked = [{ actor: "cryptoki/my-token", nextTryAt: Date.UTC(2026, 0, 1, 12) }]
        const isParked = "cryptoki/my-token is parked after repeated failures, next try at 2026-01-01T12:00:00Z"
        yield* health.tell("BridgeHealth", { health: "up", local: up, cloud: up })
        yield* health.tell("ActorsParked", { parked })
        yield* settled
        expect(reason()).toBe(isParked)
        yield* health.tell("BridgeHealth", { health: "down", local: up, cloud: down })
        yield* health.tell("BridgeHealth", { health: "down", local: up, cloud: connecting })
        yield* settled
        expect(reason()).toMatch(new RegExp(`^cloud: connection refused .*; ${isParked}$`))
        yield* health.tell("ActorsParked", { parked: [] })
        yield* settled
        expect(reason()).toMatch(/^cloud: connection refused at cloud\.example:8883/)
        expect(reason()).not.toContain("parked")
      })
    ))

  it("says only the newest when the local broker was away, and does not give up", () =>
    withTestClock(
      Effect.gen(function* () {
        const { health, bridgeLink } = yield* startHealth
        bridgeLink.isUp = false
        yield* health.tell("BridgeHealth", { health: "up", local: up, cloud: up })
        yield* settled
        yield* health.tell("BridgeHealth", { health: "down", local: up, cloud: down })
        yield* settled
        bridgeLink.isUp = true
        yield* passTime("1 second")
        expect(bridgeLink.published.map(([topic, payload]) => [topic === bridge.health, payload])).toEqual(
          expect.arrayContaining([[true, '{"status":"down"}']])
        )
        expect(bridgeLink.published).not.toContainEqual([bridge.health, '{"status":"up"}'])
      })
    ))

  it("acknowledges what it hears, and answers only health checks", () =>
    withTestClock(
      Effect.gen(function* () {
        const { health, serviceLink } = yield* startHealth
        const heard = (topic: string, delivery: number) =>
          health.tell("Received", {
            side: "local",
            deliveries: [{ delivery, message: { topic, payload: Buffer.alloc(0), qos: 1, retain: false } }]
          })
        yield* heard("te/device/main///cmd/other", 1)
        yield* settled
        expect(serviceLink.published).toEqual([])
        yield* heard("te/device/main///cmd/health/check", 2)
        yield* settled
        expect(serviceLink.published.map(([topic]) => topic)).toEqual([service.topics.health])
        expect(serviceLink.acknowledged).toEqual([1, 2])
      })
    ))
})
