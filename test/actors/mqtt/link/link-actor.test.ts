/** Links on a test clock, over a broker that exists only in memory. */
import { Effect, type Scope } from "effect"
import { describe, expect, it } from "vitest"
import type { LinkOptions } from "../../../../src/actors/mqtt/link/link.ts"
import { linkBehaviour, linkMailbox } from "../../../../src/actors/mqtt/link/link-actor.ts"
import {
  type Delivery,
  DialFailed,
  type LinkProtocol,
  type LinkStatus,
  type LinkUserProtocol,
  type MqttMessage,
  TlsFailed
} from "../../../../src/messages/mqtt.ts"
import { type Behaviour, start } from "../../../../src/runtime/actor.ts"
import { type Measurement, Measurements } from "../../../../src/runtime/measurements.ts"
import type { ActorRef } from "../../../../src/runtime/protocol.ts"
import { withTestClock as onTestClock, passTime, settled } from "../../../../src/testing/test-clock.ts"
import { FakeBroker } from "../../../support/broker/fake-link.ts"
import { quietly } from "../../../support/quietly.ts"

const withTestClock = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>) => onTestClock(quietly(effect))

const clientId = "bridge"

const options = (overrides: Partial<LinkOptions> = {}): LinkOptions => ({
  side: "local",
  target: { host: "fake", port: 1, clientId, keepalive: 60, cleanSession: false, connectWithinMs: 5_000 },
  filters: ["c8y/s/us/#", "c8y/s/uat"],
  backOff: { initialMs: 1_000, maximumMs: 8_000, resetAfterMs: 60_000 },
  onConnect: [],
  onDisconnect: [],
  neededFilters: ["c8y/s/us/#", "c8y/s/uat"],
  log: { target: "MQTT bridge", name: "MQTT bridge", isSecond: false },
  bounds: {
    window: 5,
    windowBytes: 10_000,
    waitingQos0: 10,
    waitingQos0Bytes: 1_000,
    waitingQos1: 50,
    waitingQos1Bytes: 10_000
  },
  ...overrides
})

interface Receiver {
  readonly ref: ActorRef<LinkUserProtocol>
  readonly received: Array<Delivery>
  readonly statuses: Array<LinkStatus>
  readonly topics: () => ReadonlyArray<string>
}

const startReceiver: Effect.Effect<Receiver, never, Scope.Scope> = Effect.gen(function* () {
  const received: Array<Delivery> = []
  const statuses: Array<LinkStatus> = []
  const behaviour: Behaviour<LinkUserProtocol> = {
    init: () =>
      Effect.succeed({
        Received: ({ deliveries }) => Effect.sync(() => void received.push(...deliveries)),
        LinkChanged: ({ status }) => Effect.sync(() => void statuses.push(status))
      })
  }
  const mailbox = { capacity: 16, overflow: { policy: "block" } } as const
  const ref = yield* start<LinkUserProtocol, never, never>({ name: "receiver", mailbox, behaviour })
  return { ref, received, statuses, topics: () => received.map(({ message }) => message.topic) }
})

const startLink = (broker: FakeBroker, receiver: Receiver, overrides: Partial<LinkOptions> = {}) =>
  start<LinkProtocol, never, never>({
    name: "link",
    mailbox: linkMailbox,
    behaviour: linkBehaviour(options(overrides), broker.connect(), receiver.ref)
  })

const message = (topic: string, qos: 0 | 1 = 1): MqttMessage => ({
  topic,
  payload: Buffer.from(topic),
  qos,
  retain: false
})

const names = (statuses: ReadonlyArray<LinkStatus>) => statuses.map(({ _tag }) => _tag)

const within = { within: "1 hour" } as const

const forkPublish = (link: ActorRef<LinkProtocol>, topic: string) =>
  Effect.forkChild(Effect.exit(link.ask("Publish", { message: message(topic) }, within)))

describe("a link", () => {
  it("is up only when every subscription is confirmed, and publishes nothing before", () =>
    withTestClock(
      Effect.gen(function* () {
        const broker = new FakeBroker()
        let release = () => {}
        broker.suback = Effect.callback<void>((resume) => {
          release = () => resume(Effect.void)
        })
        const receiver = yield* startReceiver
        const link = yield* startLink(broker, receiver, { onConnect: [message("hello")] })
        yield* forkPublish(link, "early")
        yield* passTime("10 seconds")
        expect(broker.published).toEqual([])
        expect(names(receiver.statuses)).toEqual(["Connecting"])
        release()
        yield* settled
        expect(names(receiver.statuses)).toEqual(["Connecting", "Up"])
        expect(broker.published.map(({ topic }) => topic)).toEqual(["hello", "early"])
      })
    ))

  it("does not wait for ever for a subscription to be confirmed", () =>
    withTestClock(
      Effect.gen(function* () {
        const broker = new FakeBroker()
        broker.suback = Effect.never
        const receiver = yield* startReceiver
        yield* startLink(broker, receiver)
        yield* passTime("20 seconds")
        expect(receiver.statuses.at(-1)).toMatchObject({
          _tag: "Down",
          failure: { _tag: "BrokerSilent", waitingFor: "SUBACK" }
        })
      })
    ))

  it("measures the time until PUBACK in fractions of a millisecond", () => {
    const measured: Array<Measurement> = []
    const scenario = Effect.gen(function* () {
      const broker = new FakeBroker()
      broker.acknowledges = false
      const receiver = yield* startReceiver
      const link = yield* startLink(broker, receiver)
      yield* settled
      const status = yield* link.ask("Status", undefined, within)
      const connection = status._tag === "Up" ? status.connection : 0
      yield* Effect.forkChild(link.ask("PublishAll", { messages: [message("one")], connection }, within))
      yield* passTime("250 micros")
      broker.acknowledgeAll()
      yield* settled
    })
    const record = (measurement: Measurement) => void measured.push(measurement)
    return withTestClock(Effect.provideService(scenario, Measurements, record)).then(() =>
      expect(measured).toEqual([{ name: "puback", ms: 0.25, times: 1, labels: { side: "local" } }])
    )
  })

  it("names the subscriptions the broker refuses", () =>
    withTestClock(
      Effect.gen(function* () {
        const broker = new FakeBroker()
        broker.refusedFilters.add("c8y/s/uat")
        const receiver = yield* startReceiver
        yield* startLink(broker, receiver)
        yield* settled
        expect(receiver.statuses.at(-1)).toMatchObject({
          _tag: "Down",
          failure: { _tag: "SubscriptionRefused", filters: [{ filter: "c8y/s/uat", code: 128 }] }
        })
      })
    ))

  it("acknowledges a message when its receiver is done with it, never before", () =>
    withTestClock(
      Effect.gen(function* () {
        const broker = new FakeBroker()
        const receiver = yield* startReceiver
        const link = yield* startLink(broker, receiver)
        yield* settled
        for (const topic of ["a", "b"]) broker.send(clientId, message(topic))
        yield* settled
        expect(receiver.topics()).toEqual(["a", "b"])
        expect(broker.acknowledged.size).toBe(0)
        yield* link.tell("Acknowledge", { deliveries: [receiver.received[1]?.delivery ?? 0] })
        yield* settled
        expect([...broker.acknowledged]).toEqual(["b"])
      })
    ))

  it("gives its receiver no more than fits its hands, and the broker no more than it may send", () =>
    withTestClock(
      Effect.gen(function* () {
        const broker = new FakeBroker()
        const receiver = yield* startReceiver
        const link = yield* startLink(broker, receiver)
        yield* settled
        const topics = Array.from({ length: 40 }, (_, n) => `${n}`)
        for (const topic of topics) broker.send(clientId, message(topic))
        yield* settled
        expect(receiver.topics()).toEqual(topics.slice(0, 5))
        for (let n = 0; n < topics.length; n++) {
          const { delivery } = receiver.received[n] ?? { delivery: 0 }
          yield* link.tell("Acknowledge", { deliveries: [delivery] })
          yield* settled
        }
        expect(receiver.topics()).toEqual(topics)
        expect(broker.waitingFor(clientId)).toBe(0)
      })
    ))

  it("drops the oldest QoS 0 when too many wait, and never QoS 1", () =>
    withTestClock(
      Effect.gen(function* () {
        const broker = new FakeBroker()
        const receiver = yield* startReceiver
        const link = yield* startLink(broker, receiver)
        yield* settled
        for (let n = 0; n < 30; n++) broker.send(clientId, message(`zero/${n}`, 0))
        broker.send(clientId, message("one"))
        for (let n = 30; n < 40; n++) broker.send(clientId, message(`zero/${n}`, 0))
        yield* settled
        for (let n = 0; n < 40; n++) {
          const { delivery } = receiver.received[n] ?? { delivery: 0 }
          yield* link.tell("Acknowledge", { deliveries: [delivery] })
          yield* settled
        }
        expect(receiver.topics().length).toBeLessThanOrEqual(16)
        expect(receiver.topics()).toContain("one")
        expect(receiver.topics().at(-1)).toBe("zero/39")
      })
    ))

  it("passes over QoS 1 that does not fit, and fetches it with another connection, in order, none lost", () =>
    withTestClock(
      Effect.gen(function* () {
        const broker = new FakeBroker()
        // One that sends whatever it has.
        broker.window = 1_000
        const receiver = yield* startReceiver
        const link = yield* startLink(broker, receiver)
        yield* settled
        const topics = Array.from({ length: 170 }, (_, n) => `${n}`)
        for (const topic of topics) broker.send(clientId, message(topic))
        for (let n = 0; n < topics.length; n++) {
          yield* settled
          yield* link.tell("Acknowledge", { deliveries: [receiver.received[n]?.delivery ?? 0] })
        }
        yield* settled
        expect(receiver.topics()).toEqual(topics)
        expect(broker.waitingFor(clientId)).toBe(0)
        expect(broker.connects).toBe(4)
        expect(names(receiver.statuses)).not.toContain("Down")
      })
    ))

  it("waits longer after each failure, and not at all on a retry request", () =>
    withTestClock(
      Effect.gen(function* () {
        const broker = new FakeBroker()
        broker.refusal = new DialFailed({ host: "fake", port: 1, code: "ECONNREFUSED", detail: "" })
        const receiver = yield* startReceiver
        const link = yield* startLink(broker, receiver)
        yield* passTime("60 seconds")
        const waits = receiver.statuses.flatMap((status) => (status._tag === "Down" ? [status.retryInMs] : []))
        const rising = waits.slice(0, 4)
        expect(rising).toEqual([...rising].sort((a, b) => a - b))
        // Each is drawn anew, however many there were.
        expect(new Set(waits.slice(4)).size).toBeGreaterThan(1)
        expect(Math.max(...waits)).toBeLessThanOrEqual(8_000)
        expect(waits.length).toBeGreaterThan(6)
        const before = broker.connects
        broker.refusal = undefined
        yield* link.tell("RetryNow", { because: "token is back" })
        yield* settled
        expect(broker.connects).toBe(before + 1)
        expect(yield* link.ask("Status", undefined, within)).toMatchObject({ _tag: "Up", sessionPresent: false })
      })
    ))

  it("starts over with short waits after a connection that held", () =>
    withTestClock(
      Effect.gen(function* () {
        const broker = new FakeBroker()
        const receiver = yield* startReceiver
        yield* startLink(broker, receiver)
        const waits = () => receiver.statuses.flatMap((status) => (status._tag === "Down" ? [status.retryInMs] : []))
        for (let n = 0; n < 6; n++) {
          yield* passTime("8 seconds")
          broker.drop(clientId)
          yield* settled
        }
        expect(waits().at(-1)).toBeGreaterThanOrEqual(4_000)
        yield* passTime("2 minutes")
        broker.drop(clientId)
        yield* settled
        expect(waits().at(-1)).toBeLessThanOrEqual(1_000)
      })
    ))

  it("waits long when only a person can help, but tries again", () =>
    withTestClock(
      Effect.gen(function* () {
        const broker = new FakeBroker()
        broker.refusal = new TlsFailed({ host: "fake", port: 1, reason: "certificateRefused", detail: "" })
        const receiver = yield* startReceiver
        yield* startLink(broker, receiver)
        yield* passTime("3 seconds")
        expect(broker.connects).toBe(1)
        yield* passTime("8 seconds")
        expect(broker.connects).toBeGreaterThan(1)
      })
    ))

  it("refuses a publish that was cut off, and holds back the next until it is up again", () =>
    withTestClock(
      Effect.gen(function* () {
        const broker = new FakeBroker()
        broker.acknowledges = false
        const receiver = yield* startReceiver
        const link = yield* startLink(broker, receiver)
        yield* settled
        const cut = yield* forkPublish(link, "cut")
        yield* settled
        broker.drop(clientId)
        yield* settled
        expect(cut.pollUnsafe()).toMatchObject({ value: { _tag: "Failure" } })
        const held = yield* forkPublish(link, "held")
        yield* settled
        expect(held.pollUnsafe()).toBeUndefined()
        broker.acknowledges = true
        yield* passTime("1 second")
        expect(broker.published.map(({ topic }) => topic)).toEqual(["held"])
      })
    ))

  it("gives up on a broker that answers no publish", () =>
    withTestClock(
      Effect.gen(function* () {
        const broker = new FakeBroker()
        broker.acknowledges = false
        const receiver = yield* startReceiver
        const link = yield* startLink(broker, receiver)
        yield* settled
        yield* forkPublish(link, "a")
        yield* passTime("3 minutes")
        expect(receiver.statuses).toContainEqual(
          expect.objectContaining({ failure: expect.objectContaining({ waitingFor: "PUBACK" }) })
        )
      })
    ))

  it("ignores a late acknowledgement: it may mean another message by now", () =>
    withTestClock(
      Effect.gen(function* () {
        const broker = new FakeBroker()
        const receiver = yield* startReceiver
        const link = yield* startLink(broker, receiver)
        yield* settled
        broker.send(clientId, message("a"))
        yield* settled
        const late = receiver.received[0]?.delivery ?? 0
        broker.drop(clientId)
        yield* passTime("1 second")
        expect(receiver.topics()).toEqual(["a", "a"])
        yield* link.tell("Acknowledge", { deliveries: [late] })
        yield* settled
        expect(broker.acknowledged.size).toBe(0)
        yield* link.tell("Acknowledge", { deliveries: [receiver.received[1]?.delivery ?? 0] })
        yield* settled
        expect([...broker.acknowledged]).toEqual(["a"])
      })
    ))

  it("publishes onDisconnect and sends DISCONNECT when it is stopped", () =>
    withTestClock(
      Effect.gen(function* () {
        const broker = new FakeBroker()
        const receiver = yield* startReceiver
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* startLink(broker, receiver, { onDisconnect: [message("bye")] })
            yield* settled
          })
        )
        expect(broker.published.map(({ topic }) => topic)).toEqual(["bye"])
        expect(broker.disconnected).toEqual([clientId])
      })
    ))
})
