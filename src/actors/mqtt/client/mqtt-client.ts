/**
 * One MQTT connection over a stream that is already open; the only file that knows the `mqtt` library. MQTT 5 where the
 * target names a Receive Maximum, otherwise MQTT 3.1.1.
 *
 * The PUBACK for a message that came in is withheld until `acknowledge`: the library would send it at once and the
 * broker would forget a message that has not been passed on yet. `_sendPacket` is private to the library; its version is
 * pinned, and test/actors/mqtt/client/mqtt-client.broker.test.ts fails when an upgrade changes what is relied on here. What is
 * published and acknowledged in one turn of the event loop leaves in one write.
 *
 * A client is used for one connection only. What it withheld is forgotten with it: the broker sends those messages
 * again (MQTT 3.1.1, 4.4), and their packet ids mean other messages then.
 */
import type { Duplex } from "node:stream"
import { Effect, Redacted, type Scope } from "effect"
import { type IClientOptions, type IConnackPacket, MqttClient, type Packet, Store } from "mqtt"
import type { MqttMessage, Target } from "../../../messages/mqtt.ts"
import { ShortLivedSet } from "../../../runtime/primitives/short-lived.ts"
import { type ConnectionEnded, ConnectionLifetime, reasonOf } from "./connection-lifetime.ts"
import { type OversizedPublish, PacketReader } from "./packet-reader.ts"
import { PacketStream } from "./packet-stream.ts"
import { PublishFlow, type Unpublished } from "./publish-flow.ts"
import { encodePuback, encodePublish, type ProtocolVersion } from "./publish-packet.ts"
import { largestPacket, largestPublishOf, sessionProperties } from "./session-properties.ts"
import { isFilter, refusingOthers } from "./subscription-filter.ts"

/** A message as it came in. */
export interface Inbound {
  /** Packet id, to acknowledge; undefined for QoS 0. */
  readonly packetId: number | undefined
  readonly message: MqttMessage
}

export interface MqttConnection {
  readonly sessionPresent: boolean
  /** QoS 1: ends with PUBACK. QoS 0: when the bytes are on their way. */
  readonly publish: (message: MqttMessage) => Effect.Effect<void, ConnectionEnded>
  /**
   * In their order; ends when it is clear of each what became of it, and answers which were not acknowledged.
   * `onAcknowledged` is called for each that the broker has answered.
   */
  readonly publishAll: (
    messages: ReadonlyArray<MqttMessage>,
    onAcknowledged?: () => void
  ) => Effect.Effect<ReadonlyArray<Unpublished>>
  /** Ends with SUBACK: one reason code per filter, in order; 128 and above are refusals. */
  /** How many publishes, sent longer ago than that, got no PUBACK while later ones did. */
  readonly overtaken: (longerThanMs: number) => number
  readonly subscribe: (
    filters: ReadonlyArray<string>,
    qos: 0 | 1,
    retained?: RetainHandling
  ) => Effect.Effect<ReadonlyArray<number>, ConnectionEnded>
  /** Sends the PUBACKs that were withheld. An id that is not withheld is ignored. */
  readonly acknowledge: (packetIds: ReadonlyArray<number>) => Effect.Effect<void>
  /** How many PUBACKs are withheld. */
  readonly withheld: Effect.Effect<number>
  /** Answers when the connection is no more, with the reason. */
  readonly ended: Effect.Effect<ConnectionEnded>
  /** Sends DISCONNECT and waits for the end of the stream, 2 s at most. */
  readonly disconnect: Effect.Effect<void>
}

/** Retained messages are wanted at every SUBSCRIBE, or only at a new subscription (MQTT 5.0, 3.8.3.1). */
export type RetainHandling = "always" | "ifNew"

/** What becomes of the messages that come in. */
export interface Receiver {
  /** Called from CONNACK on, possibly before `openConnection` has answered. */
  readonly onMessage: (inbound: Inbound) => void
  /** `later`: PUBACK is withheld until `acknowledge`. */
  readonly acknowledged: "atOnce" | "later"
  /** A message was larger than the target's limit; the broker considers it delivered. */
  readonly onOversized?: (publish: OversizedPublish) => void
}

/** Sends CONNECT and waits for CONNACK. The connection is cut when the scope closes. Nothing stream or broker do throws. */
export const openConnection = (
  stream: Duplex,
  target: Target,
  receiver: Receiver
): Effect.Effect<MqttConnection, ConnectionEnded, Scope.Scope> =>
  Effect.gen(function* () {
    const lifetime = new ConnectionLifetime()
    const client = yield* Effect.acquireRelease(
      Effect.sync(() => startClient(stream, target, receiver, lifetime)),
      () => Effect.sync(() => void stream.destroy())
    )
    const { sessionPresent, properties } = yield* connack(client, lifetime)
    const flow = new PublishFlow(
      lifetime,
      client.version,
      properties ?? {},
      (message, done) => client.send(message, done),
      target.publishRate
    )
    return {
      sessionPresent,
      publish: (message) =>
        Effect.flatMap(flow.publishAll([message]), ([failed]) =>
          failed === undefined ? Effect.void : Effect.fail(failed.because)
        ),
      publishAll: (messages, onAcknowledged) => flow.publishAll(messages, onAcknowledged),
      overtaken: (longerThanMs) => flow.overtaken(longerThanMs),
      subscribe: (filters, qos, retained) => subscribe(client, lifetime, filters, qos, retained),
      acknowledge: (packetIds) => Effect.sync(() => client.acknowledge(packetIds)),
      withheld: Effect.sync(() => client.withheld.size),
      ended: Effect.flip(lifetime.within<never>(() => {})),
      disconnect: disconnect(client, stream)
    }
  })

/** What the library's client shows, and the one private method that is overridden. */
type PublicClient = Pick<MqttClient, keyof MqttClient> & {
  _sendPacket(packet: Packet, done?: () => void, ...rest: ReadonlyArray<unknown>): void
}
type StreamBuilder = () => Duplex

// The cast uncovers the private method; there is no public way to withhold a PUBACK, or to encode a packet oneself.
const OpenClient = MqttClient as unknown as new (builder: StreamBuilder, options: IClientOptions) => PublicClient

class WithholdingClient extends OpenClient {
  withholds = false
  reader: PacketReader | undefined
  readonly withheld = new ShortLivedSet<number>()
  /** What leaves at the end of this turn. */
  private leaving: Array<Buffer> = []
  /** Called when it has. */
  private written: Array<() => void> = []

  get version(): ProtocolVersion {
    return this.options.protocolVersion === 5 ? 5 : 4
  }

  override _sendPacket(packet: Packet, done?: () => void, ...rest: ReadonlyArray<unknown>): void {
    if (packet.cmd === "publish" && this.connected) this.sendPublish(packet, done)
    else if (packet.cmd === "puback" && packet.messageId !== undefined) this.sendPuback(packet.messageId, done)
    else {
      this.flush()
      super._sendPacket(packet, done, ...rest)
    }
  }

  /** A callback with an error that is no code of MQTT 5 comes with the end of the connection, which reports the reason. */
  send({ topic, payload, qos, retain }: MqttMessage, done: (code: number | undefined) => void): void {
    const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength)
    this.publish(topic, bytes, { qos, retain }, (error, packet) => {
      const code = error && "code" in error ? error.code : undefined
      if (!error) done(undefined)
      else if (typeof code === "number") done(this.codesOf(packet)?.[0] ?? code)
    })
  }

  codesOf(packet: { readonly messageId?: number } | undefined): ReadonlyArray<number> | undefined {
    return packet?.messageId === undefined ? undefined : this.reader?.codesOf(packet.messageId)
  }

  acknowledgeNow(packetId: number): void {
    this.leave(encodePuback(packetId))
  }

  acknowledge(packetIds: ReadonlyArray<number>): void {
    for (const packetId of packetIds)
      if (this.withheld.delete(packetId) && this.connected) this.leave(encodePuback(packetId))
  }

  private sendPuback(packetId: number, done: (() => void) | undefined): void {
    if (this.withholds) this.withheld.add(packetId)
    else this.leave(encodePuback(packetId))
    // The library handles the next packet only now: pings are answered while messages wait.
    done?.()
  }

  private sendPublish(packet: Packet & { cmd: "publish" }, done: (() => void) | undefined): void {
    const payload = typeof packet.payload === "string" ? Buffer.from(packet.payload) : packet.payload
    const { topic, retain, messageId = 0 } = packet
    const isForget = packet.qos === 0
    this.leave(encodePublish({ topic, payload, qos: isForget ? 0 : 1, retain, messageId }, this.version))
    // QoS 0 is done when it is written: a slow network path holds back those that come after it.
    if (isForget && done !== undefined) this.written.push(done)
    else done?.()
  }

  private leave(bytes: Buffer): void {
    if (this.leaving.push(bytes) === 1) process.nextTick(() => this.flush())
  }

  private flush(): void {
    const { leaving, written, stream } = this
    if (leaving.length === 0) return
    this.leaving = []
    this.written = []
    if (!stream.writable) return
    stream.write(leaving.length === 1 ? leaving[0] : Buffer.concat(leaving), () => {
      for (const done of written) done()
    })
  }
}

/** The library puts what it publishes into a store; what matters to us is still with the broker it came from. */
class NothingKept extends Store {
  override put(...[, done]: Parameters<Store["put"]>): this {
    done?.()
    return this
  }

  override del(...[, done]: Parameters<Store["del"]>): this {
    done?.()
    return this
  }
}

const startClient = (
  stream: Duplex,
  target: Target,
  receiver: Receiver,
  lifetime: ConnectionLifetime
): WithholdingClient => {
  const options = clientOptions(target)
  /** What DISCONNECT, or a packet that cannot be read, has told already; what came before it is still handled. */
  let told: ConnectionEnded["reason"] | undefined
  const end = (reason: ConnectionEnded["reason"]) => lifetime.end(told ?? reason)
  const endSoon = (reason: ConnectionEnded["reason"]) => {
    told ??= reason
    setImmediate(() => {
      end(reason)
      stream.destroy()
    })
  }
  const reader = new PacketReader({
    version: options.protocolVersion === 5 ? 5 : 4,
    largestPublish: largestPublishOf(target),
    largestPacket,
    onOversized: (publish) => {
      // A session that is only looked at keeps what is too large here, too.
      const isTaken = receiver.acknowledged === "atOnce" || receiver.onOversized !== undefined
      if (isTaken && publish.qos === 1 && publish.packetId !== undefined) client.acknowledgeNow(publish.packetId)
      receiver.onOversized?.(publish)
    },
    onDisconnect: (disconnected) => endSoon({ kind: "disconnected", ...disconnected }),
    onTooLarge: (detail) => endSoon({ kind: "protocol", detail })
  })
  const client = new WithholdingClient(() => new PacketStream(stream, reader), options)
  client.reader = reader
  client.withholds = receiver.acknowledged === "later"
  client.on("message", (topic, payload, { qos, retain, messageId }) =>
    receiver.onMessage({
      packetId: qos === 0 ? undefined : messageId,
      message: { topic, payload, qos: qos === 0 ? 0 : 1, retain }
    })
  )
  // The stream's own error comes before the library's event of it, and says more.
  stream.on("error", (error) => end({ kind: "stream", error }))
  if (stream.errored) end({ kind: "stream", error: stream.errored })
  else if (stream.destroyed) end({ kind: "closed" })
  client.on("error", (error) => {
    end(reasonOf(error))
    stream.destroy()
  })
  client.on("close", () => {
    client.withheld.clear()
    end({ kind: "closed" })
  })
  client.connect()
  return client
}

const clientOptions = (target: Target): IClientOptions => ({
  protocolId: "MQTT",
  protocolVersion: target.receiveMaximum === undefined ? 4 : 5,
  ...(target.receiveMaximum === undefined ? {} : { properties: sessionProperties(target, target.receiveMaximum) }),
  clientId: target.clientId,
  clean: target.cleanSession,
  keepalive: target.keepalive,
  reconnectPeriod: 0,
  resubscribe: false,
  manualConnect: true,
  // A table of all 65,536 numbers, 17 MiB with what it leads to; publishes are encoded by us anyway.
  writeCache: false,
  // Our own clock ends what takes too long; the library's would do it behind our back.
  connectTimeout: longestTimerMs,
  ...(target.username === undefined ? {} : { username: target.username }),
  ...(target.password === undefined ? {} : { password: Redacted.value(target.password) }),
  ...(target.will === undefined ? {} : { will: { ...target.will, payload: Buffer.from(target.will.payload) } }),
  outgoingStore: new NothingKept(),
  // Its default assembles words for a debugger at every packet.
  log: () => {}
})

const connack = (client: WithholdingClient, lifetime: ConnectionLifetime) =>
  lifetime.within<IConnackPacket>((answer) => client.once("connect", answer))

/** The library would refuse all of them for one that is no filter; here that one is refused, as a broker does it. */
const subscribe = (
  client: WithholdingClient,
  lifetime: ConnectionLifetime,
  filters: ReadonlyArray<string>,
  qos: 0 | 1,
  retained: RetainHandling = "always"
) => {
  const valid = filters.filter(isFilter)
  if (valid.length === 0) return Effect.succeed(refusingOthers(filters, []))
  const options = client.version === 5 ? ({ qos, rh: retained === "always" ? 0 : 1 } as const) : { qos }
  return lifetime.within<ReadonlyArray<number>>((answer) => {
    client.subscribe(valid, options, (_error, _subscriptions, suback) => {
      if (suback !== undefined) answer(refusingOthers(filters, client.codesOf(suback) ?? suback.granted.map(Number)))
    })
  })
}

const disconnect = (client: WithholdingClient, stream: Duplex): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    if (stream.destroyed) resume(Effect.void)
    else client.end(false, {}, () => resume(Effect.void))
  }).pipe(Effect.timeoutOption("2 seconds"), Effect.andThen(Effect.sync(() => void stream.destroy())))

/** Node's timers hold 31 bits of milliseconds. */
const longestTimerMs = 2 ** 31 - 1
