/** One connection against mosquitto: what is withheld, what is redelivered, how it ends. */
import { connect, createServer, type Server, type Socket } from "node:net"
import { Effect, Exit, Fiber, type Scope } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import {
  type Inbound,
  type InboundHandler,
  type MqttConnection,
  openConnection as openWith
} from "../../../../src/actors/mqtt/client/mqtt-client.ts"
import { refusalOf } from "../../../../src/actors/mqtt/dial/refusal.ts"
import type { MqttMessage, Target } from "../../../../src/messages/mqtt.ts"
import { startBroker, type TestBroker } from "../../../support/broker/broker.ts"

let broker: TestBroker
beforeAll(async () => {
  broker = await startBroker()
})
afterAll(() => broker.stop())

const target = (overrides: Partial<Target>): Target => ({
  host: "127.0.0.1",
  port: broker.port,
  clientId: "under-test",
  keepalive: 60,
  cleanSession: false,
  connectWithinMs: 60_000,
  ...overrides
})

const message = (topic: string, qos: 0 | 1 = 1): MqttMessage => ({
  topic,
  payload: Buffer.from("x"),
  qos,
  retain: false
})

const openConnection = (stream: Socket, to: Target, handler: InboundHandler) =>
  openWith(stream, to, handler, (ended) => refusalOf(ended, to, "connected"))

/** A connection with what it received, and a way to wait for more. */
const open = (overrides: Partial<Target>) =>
  Effect.gen(function* () {
    const received: Array<Inbound> = []
    let look = () => {}
    const stream = connect(broker.port, "127.0.0.1")
    const connection = yield* openConnection(stream, target(overrides), {
      acknowledged: "later",
      onMessage: (inbound) => {
        received.push(inbound)
        look()
      }
    })
    const receivedAtLeast = (count: number) =>
      Effect.callback<void>((resume) => {
        look = () => received.length >= count && resume(Effect.void)
        look()
      })
    return { ...connection, stream, received, receivedAtLeast }
  })

const nobody: InboundHandler = { acknowledged: "atOnce", onMessage: () => {} }

/** A server whose answers are scripted; answers its port. */
const listen = (onConnection: (socket: Socket) => void) =>
  Effect.acquireRelease(
    Effect.callback<Server>((resume) => {
      const server = createServer((socket) => {
        socket.on("error", () => {})
        onConnection(socket)
      })
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.callback<void>((resume) => void server.close(() => resume(Effect.void)))
  ).pipe(
    Effect.map((server) => {
      const address = server.address()
      return typeof address === "object" && address !== null ? address.port : 0
    })
  )

/** MQTT 3.1.1, 3.2: a CONNACK with this return code and no session. */
const connack = (code: number) => Buffer.from([0x20, 2, 0, code])

const acknowledgeAll = (connection: MqttConnection, received: ReadonlyArray<Inbound>) =>
  connection.acknowledge(received.map(({ packetId }) => packetId ?? 0))

const run = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>): Promise<A> => Effect.runPromise(Effect.scoped(effect))

const acksFrom = (client: string) => broker.log().filter((line) => line.startsWith(`Received PUBACK from ${client} `))

describe("a connection with a publish rate", () => {
  it("sends no more than that in a second, in order, and loses none", () =>
    run(
      Effect.gen(function* () {
        const receiver = yield* open({ clientId: "paced-receiver", cleanSession: true })
        yield* receiver.subscribe(["paced/#"], 1)
        const sender = yield* open({ clientId: "paced", cleanSession: true, publishRate: 50 })
        const began = performance.now()
        const acknowledged: Array<number> = []
        const messages = Array.from({ length: 100 }, (_, n) => message(`paced/${n}`))
        const published = messages.map((one) =>
          Effect.andThen(
            sender.publish(one),
            Effect.sync(() => void acknowledged.push(performance.now() - began))
          )
        )
        yield* Effect.all(published, { concurrency: "unbounded" })
        // 5 at once, then 45 a second.
        expect(acknowledged.filter((at) => at < 900).length).toBeLessThanOrEqual(50)
        expect(acknowledged.at(-1)).toBeGreaterThan(2_000)
        expect(sender.unacknowledged.overtaken(0)).toBe(0)
      })
    ))

  it("that ends gives back what has not been sent", () =>
    run(
      Effect.gen(function* () {
        const sender = yield* open({ clientId: "paced-cut", cleanSession: true, publishRate: 10 })
        const messages = Array.from({ length: 30 }, (_, n) => message(`cut/${n}`))
        const published = /^Received PUBLISH from paced-cut /
        const publishing = yield* Effect.forkChild(sender.publishAll(messages))
        yield* Effect.promise(() => broker.waitForLog(published))
        yield* sender.disconnect
        const failed = yield* Fiber.join(publishing)
        yield* Effect.promise(() => broker.waitForLog(/^Received DISCONNECT from paced-cut$/))
        // Those on their way at the end are given back too.
        const received = broker.log().filter((line) => published.test(line)).length
        expect(received).toBeLessThan(messages.length)
        expect(failed.length).toBeGreaterThanOrEqual(messages.length - received)
      })
    ))
})

describe("a connection that withholds PUBACK", () => {
  it("lets the broker send its window and no more, and stays alive over several keep-alives", () =>
    run(
      Effect.gen(function* () {
        const id = "window"
        const receiver = yield* open({ clientId: id, keepalive: 1 })
        expect(yield* receiver.subscribe(["window/#"], 1)).toEqual([1])
        const sender = yield* open({ clientId: "window-sender", cleanSession: true })
        for (let n = 0; n < 30; n++) yield* sender.publish(message(`window/${n}`))

        yield* receiver.receivedAtLeast(20)
        const pings = new RegExp(`^Received PINGREQ from ${id}`)
        yield* Effect.promise(() => broker.waitForLog(pings, 2))
        expect(receiver.received.map(({ message: { topic } }) => topic)).toEqual(
          Array.from({ length: 20 }, (_, n) => `window/${n}`)
        )
        expect(acksFrom(id)).toEqual([])
        expect(yield* receiver.withheld).toBe(20)

        yield* acknowledgeAll(receiver, receiver.received.slice(0, 10))
        yield* receiver.receivedAtLeast(30)
        yield* Effect.promise(() => broker.waitForLog(new RegExp(`^Received PUBACK from ${id} `), 10))
        expect(acksFrom(id).length).toBe(10)
        expect(yield* receiver.withheld).toBe(20)
      })
    ))

  it("gets again, on the next connection, what it had not acknowledged", () =>
    run(
      Effect.gen(function* () {
        const first = yield* open({ clientId: "again" })
        yield* first.subscribe(["again/#"], 1)
        const sender = yield* open({ clientId: "again-sender", cleanSession: true })
        for (let n = 0; n < 5; n++) yield* sender.publish(message(`again/${n}`))
        yield* first.receivedAtLeast(5)
        yield* acknowledgeAll(first, first.received.slice(0, 2))
        yield* Effect.promise(() => broker.waitForLog(/^Received PUBACK from again /, 2))
        first.stream.destroy()
        expect((yield* first.ended)._tag).toBe("ConnectionLost")
        expect(yield* first.withheld).toBe(0)
        yield* acknowledgeAll(first, first.received) // late: must change nothing

        const second = yield* open({ clientId: "again" })
        expect(second.sessionPresent).toBe(true)
        yield* second.receivedAtLeast(3)
        expect(second.received.map((inbound) => inbound.message.topic)).toEqual(["again/2", "again/3", "again/4"])
      })
    ))

  it("passes QoS 0 without anything to acknowledge", () =>
    run(
      Effect.gen(function* () {
        const receiver = yield* open({ clientId: "zero" })
        yield* receiver.subscribe(["zero"], 1)
        yield* receiver.publish(message("zero", 0))
        yield* receiver.receivedAtLeast(1)
        expect(receiver.received).toMatchObject([{ packetId: undefined, message: { topic: "zero", qos: 0 } }])
        expect(yield* receiver.withheld).toBe(0)
      })
    ))
})

describe("a subscription", () => {
  it("of what is no filter is refused alone, wherever it stands among others", () =>
    run(
      Effect.gen(function* () {
        const connection = yield* open({ clientId: "filters" })
        expect(yield* connection.subscribe(["filters/#", "a/#/b", "filters+", "filters/b", ""], 1)).toEqual([
          1, 128, 128, 1, 128
        ])
        expect(yield* connection.subscribe(["a#"], 1)).toEqual([128])
        yield* connection.publish(message("filters/b"))
        yield* connection.receivedAtLeast(1)
      })
    ))
})

describe("the end of a connection", () => {
  it("fails a publish that waits for its PUBACK when the connection is cut", () =>
    run(
      Effect.gen(function* () {
        const port = yield* listen((socket) =>
          socket.once("data", () => {
            socket.write(connack(0))
            socket.once("data", () => socket.destroy())
          })
        )
        const connection = yield* openConnection(connect(port), target({ port }), nobody)
        const failure = yield* Effect.flip(connection.publish(message("never")))
        expect(failure).toEqual(yield* connection.ended)
      })
    ))

  it("reports the return code of a refused CONNECT", () =>
    run(
      Effect.gen(function* () {
        const port = yield* listen((socket) => socket.once("data", () => socket.write(connack(5))))
        const failure = yield* Effect.flip(openConnection(connect(port), target({ port }), nobody))
        expect(failure.reason).toEqual({ kind: "refused", code: 5 })
      })
    ))

  it.each([
    ["bytes that are no MQTT", Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n")],
    ["a second CONNACK", Buffer.concat([connack(0), connack(0)])],
    ["an empty answer and the end", Buffer.alloc(0)]
  ])("survives %s", (_what, answer) =>
    run(
      Effect.gen(function* () {
        const port = yield* listen((socket) => socket.once("data", () => socket.end(answer)))
        const connection = yield* Effect.exit(openConnection(connect(port), target({ port }), nobody))
        if (Exit.isSuccess(connection)) yield* connection.value.ended
      })
    )
  )

  it("fails at once on a stream that has already failed", () =>
    run(
      Effect.gen(function* () {
        const stream = connect(broker.port, "127.0.0.1")
        stream.on("error", () => {})
        stream.destroy(new Error("cut in the meantime"))
        yield* Effect.promise(() => new Promise((resolve) => stream.once("close", resolve)))
        const failure = yield* Effect.flip(openConnection(stream, target({}), nobody))
        expect(failure.reason).toMatchObject({ kind: "stream", error: { message: "cut in the meantime" } })
      })
    ))

  it("says good-bye with DISCONNECT, so that the will is not published", () =>
    run(
      Effect.gen(function* () {
        const connection = yield* open({ clientId: "polite", will: message("polite/will") })
        yield* connection.disconnect
        yield* Effect.promise(() => broker.waitForLog(/^Received DISCONNECT from polite$/))
      })
    ))
})
