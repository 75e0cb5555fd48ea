/**
 * One MQTT connection over an open stream; the only file that imports the `mqtt` library. MQTT 5 if the target has a
 * Receive Maximum, otherwise MQTT 3.1.1.
 *
 * The library does CONNECT, SUBSCRIBE, pings and DISCONNECT. Messages and their PUBACKs bypass it (`packet-stream.ts`): it
 * would acknowledge a message immediately, and the broker would delete one that has not been forwarded yet. Here PUBACK is
 * withheld until `acknowledge`.
 *
 * A client is used for one connection. Withheld PUBACKs are dropped with it: the broker redelivers those messages
 * (MQTT 3.1.1, 4.4), and their packet ids are then used for others.
 */
import type { Duplex } from "node:stream"
import { Effect, Redacted, type Scope } from "effect"
import { DefaultMessageIdProvider, type IClientOptions, type IConnackPacket, MqttClient } from "mqtt"
import type { FailedPublish, MqttMessage, MqttRefusal, Target } from "../../../messages/mqtt.ts"
import type { ProtocolVersion } from "../../../messages/wire/mqtt-publish.ts"
import { longestTimerMs } from "../../../runtime/primitives/runtime-clock.ts"
import { ShortLivedSet } from "../../../runtime/primitives/short-lived.ts"
import { type ConnectionEnded, ConnectionLifetime, reasonOf } from "./connection-lifetime.ts"
import { type OversizedPublish, PacketReader } from "./packet-reader.ts"
import { PacketStream } from "./packet-stream.ts"
import { highestPublishId, PublishFlow } from "./publish-flow.ts"
import { isFilter, refusingOthers } from "./subscription-filter.ts"

/** A received message. */
export interface Inbound {
  /** Packet id, to acknowledge; undefined for QoS 0. */
  readonly packetId: number | undefined
  readonly message: MqttMessage
}

export interface MqttConnection {
  readonly sessionPresent: boolean
  /** QoS 1: completes with PUBACK. QoS 0: when the bytes are written. */
  readonly publish: (message: MqttMessage) => Effect.Effect<void, MqttRefusal>
  /** In order; completes when the outcome of each is known, and returns those that were not acknowledged. */
  readonly publishAll: (messages: ReadonlyArray<MqttMessage>) => Effect.Effect<ReadonlyArray<FailedPublish>>
  /** Publishes of QoS 1 that were sent and have no PUBACK. */
  readonly unacknowledged: Pick<PublishFlow, "count" | "isSilent" | "overtaken">
  /** Completes with SUBACK: one reason code per filter, in order; 128 and above are refusals. */
  readonly subscribe: (
    filters: ReadonlyArray<string>,
    qos: 0 | 1,
    retained?: RetainHandling
  ) => Effect.Effect<ReadonlyArray<number>, MqttRefusal>
  /** Sends the withheld PUBACKs. Other ids are ignored. */
  readonly acknowledge: (packetIds: ReadonlyArray<number>) => Effect.Effect<void>
  /** Number of withheld PUBACKs. */
  readonly withheld: Effect.Effect<number>
  /** Completes when the connection is closed, with the reason. */
  readonly ended: Effect.Effect<MqttRefusal>
  /** Sends DISCONNECT after the pending PUBACKs, and waits for the end of the stream: 2 s at most. */
  readonly disconnect: Effect.Effect<void>
}

/** Request retained messages at every SUBSCRIBE, or only for a new subscription (MQTT 5.0, 3.8.3.1). */
type RetainHandling = "always" | "ifNew"

/** Callbacks for received messages. */
export interface InboundHandler {
  /** Called from CONNACK on, possibly before `openConnection` has returned. */
  readonly onMessage: (inbound: Inbound) => void
  /** `later`: PUBACK is withheld until `acknowledge`. */
  readonly acknowledged: "atOnce" | "later"
  /** A message exceeded the target's limit; for the broker it is delivered. */
  readonly onOversized?: (publish: OversizedPublish) => void
}

/**
 * Sends CONNECT and waits for CONNACK. The connection is closed when the scope closes. Errors of stream and broker are not
 * thrown; `refusalOf` classifies the end of the connection afterwards.
 */
export const openConnection = (
  stream: Duplex,
  target: Target,
  handler: InboundHandler,
  refusalOf: (ended: ConnectionEnded) => MqttRefusal
): Effect.Effect<MqttConnection, ConnectionEnded, Scope.Scope> =>
  Effect.gen(function* () {
    const client = yield* Effect.acquireRelease(
      Effect.sync(() => new Client(stream, target, handler)),
      () => Effect.sync(() => void stream.destroy())
    )
    const { lifetime } = client
    const { sessionPresent, properties } = yield* lifetime.within<IConnackPacket>((answer) => client.onConnack(answer))
    const flow = new PublishFlow(lifetime, {
      version: client.version,
      limits: properties ?? {},
      send: (packet, written) => client.send(packet, written),
      perSecond: target.publishRate ?? 0,
      refusalOf
    })
    client.flow = flow
    return {
      sessionPresent,
      publish: (message) =>
        Effect.flatMap(flow.publishAll([message]), ([failed]) =>
          failed === undefined ? Effect.void : Effect.fail(failed.refusal)
        ),
      publishAll: (messages) => flow.publishAll(messages),
      unacknowledged: flow,
      subscribe: (filters, qos, retained) => Effect.mapError(client.subscribe(filters, qos, retained), refusalOf),
      acknowledge: (packetIds) => Effect.sync(() => client.acknowledge(packetIds)),
      withheld: Effect.sync(() => client.withheld.size),
      ended: Effect.map(Effect.flip(lifetime.within<never>(() => {})), refusalOf),
      disconnect: Effect.timeoutOption(flow.finish, "1 second").pipe(
        Effect.andThen(Effect.timeoutOption(client.end, "1 second")),
        Effect.andThen(Effect.sync(() => void stream.destroy()))
      )
    }
  })

class Client {
  readonly lifetime = new ConnectionLifetime()
  readonly version: ProtocolVersion
  readonly withheld = new ShortLivedSet<number>()
  flow: PublishFlow | undefined
  private readonly stream: Duplex
  private readonly handler: InboundHandler
  private readonly reader: PacketReader
  private readonly packets: PacketStream
  private readonly library: LibraryClient
  /** Why it ended, from DISCONNECT or an invalid packet; data received before is still handled. */
  private endReason: ConnectionEnded["reason"] | undefined

  constructor(stream: Duplex, target: Target, handler: InboundHandler) {
    this.stream = stream
    this.handler = handler
    this.version = target.receiveMaximum === undefined ? 4 : 5
    this.reader = new PacketReader({
      version: this.version,
      largestPublish: Math.min(target.maximumPacketSize ?? usualPacket, largestPacket),
      largestPacket,
      onPublish: (packetId, message) => this.receive(packetId, message),
      onPuback: (packetId, code) => this.flow?.acknowledged(packetId, code),
      onOversized: (publish) => {
        // A session opened only for a check keeps oversized messages, too.
        const isTaken = handler.acknowledged === "atOnce" || handler.onOversized !== undefined
        if (isTaken && publish.qos === 1 && publish.packetId !== undefined) this.send(publish.packetId)
        handler.onOversized?.(publish)
      },
      onDisconnect: (disconnected) => this.endSoon({ kind: "disconnected", ...disconnected }),
      onMalformed: (detail) => this.endSoon({ kind: "protocol", detail })
    })
    this.packets = new PacketStream(stream, this.reader, this.version)
    this.library = new LibraryClient(this.packets, clientOptions(target))
    this.watchEnd()
    // QoS 2 only: already acknowledged by the library.
    this.library.on("message", (topic, payload, { retain }) =>
      handler.onMessage({ packetId: undefined, message: { topic, payload, qos: 1, retain } })
    )
    this.library.connect()
  }

  onConnack(answer: (connack: IConnackPacket) => void): void {
    this.library.once("connect", answer)
  }

  send(packet: Parameters<PacketStream["send"]>[0], written?: () => void): void {
    this.packets.send(packet, written)
  }

  acknowledge(packetIds: ReadonlyArray<number>): void {
    for (const packetId of packetIds) if (this.withheld.delete(packetId)) this.send(packetId)
  }

  /** The library would reject all of them if one is invalid; here only that one is refused, as a broker does it. */
  subscribe(
    filters: ReadonlyArray<string>,
    qos: 0 | 1,
    retained: RetainHandling = "always"
  ): Effect.Effect<ReadonlyArray<number>, ConnectionEnded> {
    const valid = filters.filter(isFilter)
    if (valid.length === 0) return Effect.succeed(refusingOthers(filters, []))
    const options = this.version === 5 ? ({ qos, rh: retained === "always" ? 0 : 1 } as const) : { qos }
    return this.lifetime.within<ReadonlyArray<number>>((answer) => {
      this.library.subscribe(valid, options, (_error, _subscriptions, suback) => {
        if (suback?.messageId === undefined) return
        answer(refusingOthers(filters, this.reader.codesOf(suback.messageId) ?? suback.granted.map(Number)))
      })
    })
  }

  readonly end: Effect.Effect<void> = Effect.callback<void>((resume) => {
    if (this.stream.destroyed) resume(Effect.void)
    else this.library.end(false, {}, () => resume(Effect.void))
  })

  private receive(packetId: number | undefined, message: MqttMessage): void {
    const isWithheld = packetId !== undefined && this.handler.acknowledged === "later"
    if (isWithheld) this.withheld.add(packetId)
    this.handler.onMessage({ packetId, message })
    if (packetId !== undefined && !isWithheld) this.send(packetId)
  }

  private watchEnd(): void {
    const { library, stream } = this
    // The stream's own error is emitted before the library's event for it, and is more specific.
    stream.on("error", (error) => this.over({ kind: "stream", error }))
    if (stream.errored) this.over({ kind: "stream", error: stream.errored })
    else if (stream.destroyed) this.over({ kind: "closed" })
    library.on("error", (error) => {
      this.over(reasonOf(error))
      stream.destroy()
    })
    library.on("close", () => {
      this.withheld.clear()
      this.over({ kind: "closed" })
    })
  }

  private over(reason: ConnectionEnded["reason"]): void {
    this.lifetime.end(this.endReason ?? reason)
  }

  private endSoon(reason: ConnectionEnded["reason"]): void {
    this.endReason ??= reason
    setImmediate(() => {
      this.over(reason)
      this.stream.destroy()
    })
  }
}

/** The library counts only PINGRESP as a sign of life, which on a slow path is queued behind messages: those count too. */
class LibraryClient extends MqttClient {
  private readonly packets: PacketStream

  constructor(packets: PacketStream, options: IClientOptions) {
    super(() => packets, options)
    this.packets = packets
  }

  override sendPing(): void {
    this.packets.hasRead = false
    super.sendPing()
  }

  override onKeepaliveTimeout(): void {
    if (!this.packets.hasRead) super.onKeepaliveTimeout()
    else {
      this.reschedulePing(true)
      this.sendPing()
    }
  }
}

/** Packet ids of SUBSCRIBEs: not used by publishes. */
class SubscribeIds extends DefaultMessageIdProvider {
  private last = highestPublishId

  override allocate(): number {
    this.last = this.last === 65_535 ? highestPublishId + 1 : this.last + 1
    return this.last
  }
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
  // It is a table of all 65,536 numbers, 17 MiB in all.
  writeCache: false,
  messageIdProvider: new SubscribeIds(),
  // Time limits are set here; the library's would act independently.
  connectTimeout: longestTimerMs,
  ...(target.username === undefined ? {} : { username: target.username }),
  ...(target.password === undefined ? {} : { password: Redacted.value(target.password) }),
  ...(target.will === undefined ? {} : { will: { ...target.will, payload: Buffer.from(target.will.payload) } }),
  // The default formats debug text at every packet.
  log: () => {}
})

/**
 * In MQTT 5 a session ends with its connection unless an expiry is set; in 3.1.1 it never expires (5.0, 3.1.2.11.2).
 *
 * A broker silently drops messages above the Maximum Packet Size, though the publisher gets its PUBACK: so everything
 * that can be skipped while reading is accepted, and logged when it is discarded.
 */
const sessionProperties = (target: Target, receiveMaximum: number) => ({
  receiveMaximum,
  sessionExpiryInterval: target.cleanSession ? 0 : 0xffff_ffff,
  maximumPacketSize: largestPacket
})

/** A longer packet of any type ends the connection. */
const largestPacket = 16 * 1024 * 1024

/** The largest accepted PUBLISH, unless the target has a limit: clouds accept 1 MiB or less; plus topic and properties. */
const usualPacket = 1024 * 1024 + 128 * 1024
