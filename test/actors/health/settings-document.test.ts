/** The document of the mapper's settings: published, and put back when another client replaces it. */
import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import type { HealthProtocol } from "../../../src/messages/bridge.ts"
import type { ActorRef } from "../../../src/runtime/protocol.ts"
import { passTime, settled, withTestClock } from "../../../src/testing/test-clock.ts"
import { service, startHealthWith, up } from "./health-bench.ts"

const topic = service.topics.config
const text = '{"url":"t.example"}'
const document = { topic, payload: Buffer.from(text), qos: 1, retain: true } as const

const started = Effect.gen(function* () {
  const { health, serviceLink } = yield* startHealthWith({ settings: document })
  let delivery = 0
  const hear = (payload: string, where = topic, retain = false) =>
    Effect.andThen(
      health.tell("Received", {
        side: "local",
        deliveries: [{ delivery: ++delivery, message: { topic: where, payload: Buffer.from(payload), qos: 1, retain } }]
      }),
      settled
    )
  const written = () => serviceLink.published.filter(([to]) => to === topic).map(([, payload]) => payload)
  return { health, hear, written }
})

const connected = (health: ActorRef<HealthProtocol>) =>
  Effect.andThen(health.tell("LinkChanged", { side: "local", status: up }), settled)

describe("the document of the settings", () => {
  it("is published at each connection with the local broker", () =>
    withTestClock(
      Effect.gen(function* () {
        const { health, written } = yield* started
        yield* connected(health)
        expect(written()).toEqual([text])
        yield* passTime("1 second")
        yield* connected(health)
        expect(written()).toEqual([text, text])
      })
    ))

  it("is not published for what was there before, for its own echo, and for other topics", () =>
    withTestClock(
      Effect.gen(function* () {
        const { health, hear, written } = yield* started
        yield* connected(health)
        yield* hear('{"url":"of a former run"}', topic, true)
        yield* hear(text)
        yield* hear("{}", "te/device/main/service/other/config")
        yield* passTime("5 seconds")
        expect(written()).toEqual([text])
      })
    ))

  it.each(["{}", "", "no JSON", `${text} `])("is put back when another client publishes %j", (other) =>
    withTestClock(
      Effect.gen(function* () {
        const { health, hear, written } = yield* started
        yield* connected(health)
        yield* hear(text)
        yield* passTime("1 second")
        yield* hear(other)
        expect(written()).toEqual([text, text])
      })
    )
  )

  it("is put back at most once a second, and after the last of many", () =>
    withTestClock(
      Effect.gen(function* () {
        const { health, hear, written } = yield* started
        yield* connected(health)
        for (let second = 0; second < 3; second++) {
          yield* hear(text)
          for (let message = 0; message < 50; message++) yield* hear(`{"url":"${message}"}`)
          yield* passTime("900 millis")
          expect(written()).toHaveLength(second + 1)
          yield* passTime("100 millis")
        }
        expect(written()).toHaveLength(4)
        yield* hear(text)
        yield* passTime("10 seconds")
        expect(written()).toHaveLength(4)
      })
    ))
})

it("the document is left to another mapper of this cloud that answers", () =>
  withTestClock(
    Effect.gen(function* () {
      const request = { topic: "s/us", payload: Buffer.from("500"), qos: 1, retain: false } as const
      const pendingOperations = { request, checks: [], mapperHealth: [service.topics.health], mosquittoHealth: "m" }
      const { health, serviceLink } = yield* startHealthWith({ settings: document, pendingOperations })
      const hear = (where: string, payload: string) =>
        Effect.andThen(
          health.tell("Received", {
            side: "local",
            deliveries: [
              { delivery: 1, message: { topic: where, payload: Buffer.from(payload), qos: 1, retain: false } }
            ]
          }),
          settled
        )
      yield* connected(health)
      yield* hear(topic, text)
      yield* hear(service.topics.health, '{"status":"up","pid":4242}')
      yield* hear(topic, '{"url":"of the other mapper"}')
      yield* passTime("2 seconds")
      expect(serviceLink.published.filter(([to]) => to === topic)).toHaveLength(1)
    })
  ))

it("no document, nothing published", () =>
  withTestClock(
    Effect.gen(function* () {
      const { health, serviceLink } = yield* startHealthWith({})
      yield* connected(health)
      yield* passTime("2 seconds")
      expect(serviceLink.published.filter(([to]) => to === topic)).toEqual([])
    })
  ))
