/** Which MQTT a connection speaks: 5 where it asks for a Receive Maximum, 3.1.1 with a broker that knows no other. */
import { createServer, type Socket } from "node:net"
import { Effect, Fiber, type Scope } from "effect"
import { describe, expect, it } from "vitest"
import { type BrokerConnection, connectWith, type InboundHandler } from "../../../src/actors/mqtt/broker-connection.ts"
import type { CryptokiProtocol } from "../../../src/messages/cryptoki.ts"
import type { MqttMessage, Target } from "../../../src/messages/mqtt.ts"
import { start } from "../../../src/runtime/actor.ts"
import { fakeToken } from "../../../src/testing/fake-token.ts"
import { type BrokerOptions, startBroker } from "../../support/broker/broker.ts"

const target = (port: number, overrides: Partial<Target> = {}): Target => ({
  host: "127.0.0.1",
  port,
  clientId: "under-test",
  keepalive: 60,
  cleanSession: false,
  receiveMaximum: 50,
  connectWithinMs: 60_000,
  ...overrides
})

const message = (topic: string): MqttMessage => ({ topic, payload: Buffer.from("x"), qos: 1, retain: false })

const connect = (to: Target, onMessage: (topic: string, packetId: number) => void = () => {}) =>
  Effect.flatMap(makeConnect, (connectTo) =>
    connectTo(to, {
      acknowledged: "later",
      onMessage: ({ message: { topic }, packetId }) => onMessage(topic, packetId ?? 0)
    })
  )

const makeConnect = Effect.gen(function* () {
  const mailbox = { capacity: 4, overflow: { policy: "refuse" } } as const
  const cryptoki = yield* start<CryptokiProtocol, never, never>({
    name: "cryptoki",
    mailbox,
    behaviour: fakeToken().behaviour
  })
  return connectWith(cryptoki)
})

const nobody: InboundHandler = { acknowledged: "later", onMessage: () => {} }

const run = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>): Promise<A> => Effect.runPromise(Effect.scoped(effect))

const broker = (options: BrokerOptions = {}) =>
  Effect.acquireRelease(
    Effect.promise(() => startBroker(options)),
    ({ stop }) => Effect.promise(stop)
  )

const until = (isSo: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() => (isSo() ? Effect.void : Effect.andThen(Effect.sleep("10 millis"), until(isSo))))

const publishMany = (connection: BrokerConnection, count: number) =>
  connection.publishAll(Array.from({ length: count }, (_, n) => message(`window/${n}`)))

/** A server that answers the CONNECT of each connection by its protocol level. */
const scripted = (answer: (level: number, socket: Socket) => void) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly port: number; readonly close: () => void }>((resume) => {
      const sockets = new Set<Socket>()
      const server = createServer((socket) => {
        sockets.add(socket)
        // MQTT, 3.1.2: the protocol level comes after the fixed header and the name.
        socket.on("error", () => {}).once("data", (connect) => answer(connect.readUInt8(8), socket))
      })
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        const port = typeof address === "object" && address !== null ? address.port : 0
        const close = () => {
          for (const socket of sockets) socket.destroy()
          server.close()
        }
        resume(Effect.succeed({ port, close }))
      })
    }),
    ({ close }) => Effect.sync(close)
  )

const connack311 = (code: number) => Buffer.from([0x20, 2, 0, code])
const connack5 = (code: number, ...properties: ReadonlyArray<number>) =>
  Buffer.from([0x20, 3 + properties.length, 0, code, properties.length, ...properties])

describe("a connection with a Receive Maximum", () => {
  it("is sent that many messages and no more, whatever the broker's max_inflight_messages", () =>
    run(
      Effect.gen(function* () {
        const { port } = yield* broker({ lines: ["max_inflight_messages 20"] })
        const received: Array<number> = []
        const receiver = yield* connect(target(port), (_topic, id) => void received.push(id))
        yield* receiver.subscribe(["window/#"], 1)
        const sender = yield* connect(target(port, { clientId: "sender", cleanSession: true }))
        expect(yield* publishMany(sender, 120)).toEqual([])
        yield* until(() => received.length >= 50)
        // What comes after these on the same connection would come before this answer.
        yield* receiver.subscribe(["other"], 1)
        expect(received).toHaveLength(50)
        // Mosquitto 2.0.11 then sends all the rest at once, 2.0.21 no more than are acknowledged.
        for (let acknowledged = 0; acknowledged < 120; ) {
          yield* until(() => received.length > acknowledged)
          const unacknowledged = received.slice(acknowledged)
          yield* receiver.acknowledge(unacknowledged)
          acknowledged += unacknowledged.length
        }
        expect(received).toHaveLength(120)
      })
    ))

  it.each([
    ["in MQTT 5 as well", 50],
    ["in MQTT 3.1.1", undefined]
  ])("is given what it had not acknowledged on an earlier connection %s", (_what, earlier) =>
    run(
      Effect.gen(function* () {
        const { port } = yield* broker()
        const { receiveMaximum: _, ...plain } = target(port)
        const first = yield* connect(earlier === undefined ? plain : target(port))
        yield* first.subscribe(["kept/#"], 1)
        yield* first.disconnect
        const sender = yield* connect(target(port, { clientId: "sender", cleanSession: true }))
        yield* sender.publishAll([message("kept/a"), message("kept/b")])
        const received: Array<string> = []
        const second = yield* connect(target(port), (topic) => void received.push(topic))
        expect(second.sessionPresent).toBe(true)
        yield* until(() => received.length === 2)
        expect(received).toEqual(["kept/a", "kept/b"])
      })
    )
  )

  it("is forgotten by the broker when it asks for a clean session", () =>
    run(
      Effect.gen(function* () {
        const { port } = yield* broker()
        const first = yield* connect(target(port, { cleanSession: true }))
        yield* first.subscribe(["a"], 1)
        yield* first.disconnect
        expect((yield* connect(target(port))).sessionPresent).toBe(false)
      })
    ))

  it.each<[string, (socket: Socket) => unknown]>([
    ["that refuses MQTT 5 in its own words", (socket) => socket.end(connack311(1))],
    ["that refuses MQTT 5 in those of MQTT 5", (socket) => socket.end(connack5(0x84))],
    ["that closes on MQTT 5", (socket) => socket.end()],
    ["that resets a connection in MQTT 5", (socket) => socket.resetAndDestroy()]
  ])("speaks MQTT 3.1.1 with a broker %s, and next time at once", (_how, refuse) =>
    run(
      Effect.gen(function* () {
        const levels: Array<number> = []
        const { port } = yield* scripted((level, socket) => {
          levels.push(level)
          if (level === 5) refuse(socket)
          else socket.write(connack311(0))
        })
        const connectTo = yield* makeConnect
        for (let n = 0; n < 3; n++) {
          const connection = yield* connectTo(target(port), nobody)
          expect(connection.sessionPresent).toBe(false)
        }
        expect(levels).toEqual([5, 4, 4, 4])
      })
    )
  )

  it("asks a broker in MQTT 5 again that was thought to speak MQTT 3.1.1 only, and does not take that either", () =>
    run(
      Effect.gen(function* () {
        const levels: Array<number> = []
        const { port } = yield* scripted((level, socket) => {
          levels.push(level)
          if (levels.length === 2) socket.write(connack311(0))
          else if (levels.length === 4) socket.write(connack5(0))
          else socket.end()
        })
        const connectTo = yield* makeConnect
        yield* connectTo(target(port), nobody)
        expect(yield* Effect.flip(connectTo(target(port), nobody))).toMatchObject({ _tag: "ConnectionLost" })
        yield* connectTo(target(port), nobody)
        expect(levels).toEqual([5, 4, 4, 5])
      })
    ))

  it("is lost when the broker closes on MQTT 3.1.1 as well", () =>
    run(
      Effect.gen(function* () {
        const levels: Array<number> = []
        const { port } = yield* scripted((level, socket) => {
          levels.push(level)
          socket.end()
        })
        expect(yield* Effect.flip(connect(target(port)))).toMatchObject({ _tag: "ConnectionLost", stage: "connecting" })
        expect(levels).toEqual([5, 4])
      })
    ))

  it.each([
    [0x86, 4],
    [0x87, 5],
    [0x88, 3],
    [0x85, 2]
  ])("is refused for reason %i as for return code %i of MQTT 3.1.1, and is not tried again", (reason, code) =>
    run(
      Effect.gen(function* () {
        let connects = 0
        const { port } = yield* scripted((_level, socket) => {
          connects += 1
          socket.end(connack5(reason))
        })
        expect(yield* Effect.flip(connect(target(port)))).toMatchObject({ _tag: "BrokerRefused", code })
        expect(connects).toBe(1)
      })
    )
  )

  it("reports why the broker ended it, for any reason code of DISCONNECT", () =>
    run(
      Effect.gen(function* () {
        for (const code of [0x8e, 0x8b, 0xf0]) {
          const { port } = yield* scripted(
            (_level, socket) => void socket.end(Buffer.concat([connack5(0), Buffer.from([0xe0, 2, code, 0])]))
          )
          const connection = yield* connect(target(port))
          expect(yield* connection.ended).toMatchObject({ _tag: "BrokerDisconnected", code })
        }
      })
    ))

  it("ends with the reason's number where MQTT 3.1.1 has no word for it", () =>
    run(
      Effect.gen(function* () {
        const { port } = yield* scripted((_level, socket) => void socket.end(connack5(0x95)))
        expect(yield* Effect.flip(connect(target(port)))).toMatchObject({
          _tag: "ConnectionLost",
          stage: "connecting",
          detail: expect.stringContaining("0x95")
        })
      })
    ))

  it("sends no more than the broker takes at once, and the rest when it has acknowledged", () =>
    run(
      Effect.gen(function* () {
        const ids: Array<number> = []
        let broker: Socket | undefined
        const { port } = yield* scripted((_level, socket) => {
          broker = socket
          // Receive Maximum 2 (MQTT 5.0, 3.2.2.3.3).
          socket.write(connack5(0, 0x21, 0, 2))
          socket.on("data", (data) => {
            for (let at = 0; at < data.length; at += 2 + data.readUInt8(at + 1)) ids.push(data.readUInt16BE(at + 5))
          })
        })
        const connection = yield* connect(target(port))
        const publishing = yield* Effect.forkChild(connection.publishAll(["a", "b", "c"].map(message)))
        yield* until(() => ids.length === 2)
        const [first = 0, second = 0] = ids
        broker?.write(Buffer.from([0x40, 2, first >> 8, first]))
        yield* until(() => ids.length === 3)
        // 0x87, "not authorised" (MQTT 5.0, 3.4.2.1): this one alone has failed.
        broker?.write(Buffer.from([0x40, 3, second >> 8, second, 0x87]))
        const third = ids[2] ?? 0
        broker?.write(Buffer.from([0x40, 2, third >> 8, third]))
        expect(yield* Fiber.join(publishing)).toMatchObject([
          { index: 1, refusal: { _tag: "BrokerRefused", code: 135 } }
        ])
      })
    ))

  it("refuses a message that is larger than the broker's max_packet_size, and passes those that fit", () =>
    run(
      Effect.gen(function* () {
        const { port, log } = yield* broker({ lines: ["max_packet_size 2000"] })
        const received: Array<string> = []
        const receiver = yield* connect(target(port), (topic) => void received.push(topic))
        yield* receiver.subscribe(["size/#"], 0)
        const sender = yield* connect(target(port, { clientId: "sender", cleanSession: true }))
        // The fixed header has 3 bytes, the topic 2 and its own, the packet id 2, the properties 1.
        const ofSize = (topic: string, bytes: number): MqttMessage => ({
          ...message(topic),
          payload: Buffer.alloc(bytes - 8 - topic.length)
        })
        const [large, fits, small] = [ofSize("size/large", 2_001), ofSize("size/fits", 2_000), message("size/small")]
        expect(yield* sender.publishAll([large, fits, small])).toMatchObject([
          { index: 0, refusal: { _tag: "BrokerRefused", code: 149 } }
        ])
        expect(yield* Effect.flip(sender.publish({ ...ofSize("size/0", 2_003), qos: 0 }))).toMatchObject({
          code: 149
        })
        yield* until(() => received.length === 2)
        expect(received).toEqual(["size/fits", "size/small"])
        expect(log().filter((line) => line.includes("oversize"))).toEqual([])
      })
    ))

  it("reports which publishes were not acknowledged when it is lost", () =>
    run(
      Effect.gen(function* () {
        const { port } = yield* scripted((_level, socket) => {
          socket.write(connack5(0))
          socket.on("data", (data) => {
            const first = data.readUInt16BE(5)
            socket.end(Buffer.from([0x40, 2, first >> 8, first]))
          })
        })
        const connection = yield* connect(target(port))
        expect(yield* connection.publishAll(["a", "b"].map(message))).toMatchObject([
          { index: 1, refusal: { _tag: "ConnectionLost", stage: "connected" } }
        ])
      })
    ))
})
