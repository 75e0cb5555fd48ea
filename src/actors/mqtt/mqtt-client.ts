/**
 * One MQTT 3.1.1 connection over a stream that is already open; the only file that knows the `mqtt` library.
 *
 * The PUBACK for a message that came in is withheld until `acknowledge`: the library would send it at once and the
 * broker would forget a message nobody has passed on yet. `_sendPacket` is private to the library; its version is
 * pinned, and test/actors/mqtt/mqtt-client.broker.test.ts fails when an upgrade changes what is relied on here.
 *
 * A client is used for one connection only. What it withheld is forgotten with it: the broker sends those messages
 * again (MQTT 3.1.1, 4.4), and their packet ids mean other messages then.
 */
import type { Duplex } from "node:stream"
import { Effect, Redacted, type Scope } from "effect"
import { type IClientOptions, MqttClient, type Packet } from "mqtt"
import type { MqttMessage, Target } from "../../messages/mqtt.ts"
import { ConnectionEnded } from "./connection-ended.ts"

/** A message as it came in. */
export interface Inbound {
  /** Packet id, to acknowledge; undefined for QoS 0. */
  readonly packetId: number | undefined
  readonly message: MqttMessage
}

export interface MqttConnection {
  readonly sessionPresent: boolean
  /** QoS 1: ends with PUBACK. QoS 0: when the stream has taken the bytes. */
  readonly publish: (message: MqttMessage) => Effect.Effect<void, ConnectionEnded>
  /** Ends with SUBACK: one return code per filter, in order; 128 is a refusal. */
  readonly subscribe: (
    filters: ReadonlyArray<string>,
    qos: 0 | 1
  ) => Effect.Effect<ReadonlyArray<number>, ConnectionEnded>
  /** Sends the PUBACK that was withheld. An id that is not withheld is ignored. */
  readonly acknowledge: (packetId: number) => Effect.Effect<void>
  /** How many PUBACKs are withheld. */
  readonly withheld: Effect.Effect<number>
  /** Answers when the connection is no more, with the reason. */
  readonly ended: Effect.Effect<ConnectionEnded>
  /** Sends DISCONNECT and waits for the end of the stream, 2 s at most. */
  readonly disconnect: Effect.Effect<void>
}

/** What becomes of the messages that come in. */
export interface Receiver {
  /** Called from CONNACK on, possibly before `openConnection` has answered. */
  readonly onMessage: (inbound: Inbound) => void
  /** `later`: PUBACK is withheld until `acknowledge`. */
  readonly acknowledged: "atOnce" | "later"
}

/**
 * Sends CONNECT and waits for CONNACK. The connection is cut when the scope closes. Nothing the stream or the broker does throws.
 */
export const openConnection = (
  stream: Duplex,
  target: Target,
  receiver: Receiver
): Effect.Effect<MqttConnection, ConnectionEnded, Scope.Scope> =>
  Effect.gen(function* () {
    const life = new Life()
    const client = yield* Effect.acquireRelease(
      Effect.sync(() => startClient(stream, target, receiver, life)),
      () => Effect.sync(() => void stream.destroy())
    )
    const sessionPresent = yield* connack(client, life)
    return {
      sessionPresent,
      publish: (message) => publish(client, life, message),
      subscribe: (filters, qos) => subscribe(client, life, filters, qos),
      acknowledge: (packetId) => Effect.sync(() => client.acknowledge(packetId)),
      withheld: Effect.sync(() => client.withheld.size),
      ended: Effect.flip(life.within<never>(() => {})),
      disconnect: disconnect(client, stream)
    }
  })

/** Whether the connection still is, and who waits for something to happen on it. */
class Life {
  private over: ConnectionEnded | undefined
  private readonly waiting = new Set<(over: ConnectionEnded) => void>()

  end(reason: ConnectionEnded["reason"]): void {
    if (this.over !== undefined) return
    const over = new ConnectionEnded({ reason })
    this.over = over
    for (const tell of [...this.waiting]) tell(over)
    this.waiting.clear()
  }

  /** Waits for `answer` to be called, or fails with the end of the connection. */
  within<A>(start: (answer: (value: A) => void) => void): Effect.Effect<A, ConnectionEnded> {
    return Effect.callback<A, ConnectionEnded>((resume) => {
      if (this.over !== undefined) return resume(Effect.fail(this.over))
      const fail = (over: ConnectionEnded) => resume(Effect.fail(over))
      this.waiting.add(fail)
      start((value) => {
        this.waiting.delete(fail)
        resume(Effect.succeed(value))
      })
      return Effect.sync(() => void this.waiting.delete(fail))
    })
  }
}

/** What the library's client shows, and the one private method that is overridden. */
type PublicClient = Pick<MqttClient, keyof MqttClient> & {
  _sendPacket(packet: Packet, done?: () => void, ...rest: ReadonlyArray<unknown>): void
}
type StreamBuilder = () => Duplex

// The cast uncovers the private method; there is no public way to withhold a PUBACK in MQTT 3.1.1.
const OpenClient = MqttClient as unknown as new (builder: StreamBuilder, options: IClientOptions) => PublicClient

class WithholdingClient extends OpenClient {
  withholds = false
  readonly withheld = new Map<number, Packet>()
  private released: Packet | undefined

  override _sendPacket(packet: Packet, done?: () => void, ...rest: ReadonlyArray<unknown>): void {
    if (!this.withholds || packet.cmd !== "puback" || packet.messageId === undefined || packet === this.released) {
      super._sendPacket(packet, done, ...rest)
      return
    }
    this.withheld.set(packet.messageId, packet)
    // The library handles the next packet only now: pings are answered while messages wait.
    done?.()
  }

  acknowledge(packetId: number): void {
    const packet = this.withheld.get(packetId)
    if (packet === undefined || !this.connected) return
    this.withheld.delete(packetId)
    this.released = packet
    this._sendPacket(packet)
    this.released = undefined
  }
}

const startClient = (stream: Duplex, target: Target, receiver: Receiver, life: Life): WithholdingClient => {
  const client = new WithholdingClient(() => stream, clientOptions(target))
  client.withholds = receiver.acknowledged === "later"
  client.on("message", (topic, payload, { qos, retain, messageId }) =>
    receiver.onMessage({
      packetId: qos === 0 ? undefined : messageId,
      message: { topic, payload, qos: qos === 0 ? 0 : 1, retain }
    })
  )
  // The stream's own error comes before the library's event of it, and says more.
  stream.on("error", (error) => life.end({ kind: "stream", error }))
  if (stream.errored) life.end({ kind: "stream", error: stream.errored })
  else if (stream.destroyed) life.end({ kind: "closed" })
  client.on("error", (error) => {
    life.end(reasonOf(error))
    stream.destroy()
  })
  client.on("close", () => {
    client.withheld.clear()
    life.end({ kind: "closed" })
  })
  client.connect()
  return client
}

const clientOptions = (target: Target): IClientOptions => ({
  protocolId: "MQTT",
  protocolVersion: 4,
  clientId: target.clientId,
  clean: target.cleanSession,
  keepalive: target.keepalive,
  reconnectPeriod: 0,
  resubscribe: false,
  manualConnect: true,
  // Our own clock ends what takes too long; the library's would do it behind our back.
  connectTimeout: longestTimerMs,
  ...(target.username === undefined ? {} : { username: target.username }),
  ...(target.password === undefined ? {} : { password: Redacted.value(target.password) }),
  ...(target.will === undefined ? {} : { will: { ...target.will, payload: Buffer.from(target.will.payload) } })
})

const reasonOf = (error: Error): ConnectionEnded["reason"] => {
  const code = "code" in error ? error.code : undefined
  // Return codes are numbers; those of Node's errors are words.
  if (typeof code === "number" && code > 0 && code < 128) return { kind: "refused", code }
  if (typeof code === "string") return { kind: "stream", error }
  return { kind: "protocol", detail: error.message }
}

const connack = (client: WithholdingClient, life: Life) =>
  life.within<boolean>((answer) => client.once("connect", ({ sessionPresent }) => answer(sessionPresent)))

/** The library's callback with an error always comes with the end of the connection, and that tells the reason. */
const publish = (client: WithholdingClient, life: Life, { topic, payload, qos, retain }: MqttMessage) =>
  life.within<void>((answer) => {
    const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength)
    client.publish(topic, bytes, { qos, retain }, (error) => {
      if (!error) answer()
    })
  })

const subscribe = (client: WithholdingClient, life: Life, filters: ReadonlyArray<string>, qos: 0 | 1) =>
  life.within<ReadonlyArray<number>>((answer) => {
    client.subscribe([...filters], { qos }, (_error, _subscriptions, suback) => {
      if (suback !== undefined) answer(suback.granted.map(Number))
    })
  })

const disconnect = (client: WithholdingClient, stream: Duplex): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    if (stream.destroyed) resume(Effect.void)
    else client.end(false, {}, () => resume(Effect.void))
  }).pipe(Effect.timeoutOption("2 seconds"), Effect.andThen(Effect.sync(() => void stream.destroy())))

/** Node's timers hold 31 bits of milliseconds. */
const longestTimerMs = 2 ** 31 - 1
