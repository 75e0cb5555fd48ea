/**
 * A connection's stream as the library sees it: without PUBLISH and PUBACK, which a PacketReader removes from the input
 * and `send` inserts into the output. All packets of one turn of the event loop are sent in one write.
 *
 * Source: MQTT 3.1.1 and 5.0, 3.3 and 3.4.
 */
import { Duplex } from "node:stream"
import type { MqttMessage } from "../../../messages/mqtt.ts"
import { type ProtocolVersion, publishSize, remainingLength } from "../../../messages/wire/mqtt-publish.ts"
import type { PacketReader } from "./packet-reader.ts"

export interface Publish {
  readonly message: MqttMessage
  /** 0 for QoS 0. */
  readonly packetId: number
}

/** Closing it or the stream below closes both. */
export class PacketStream extends Duplex {
  /** Data was received since this was last set to false. */
  hasRead = false
  private readonly below: Duplex
  private readonly version: ProtocolVersion
  /** Output at the end of this turn: publishes, and the packet ids of PUBACKs. */
  private leaving: Array<Publish | number> = []
  /** Called when it was written. */
  private written: Array<() => void> = []

  constructor(below: Duplex, reader: PacketReader, version: ProtocolVersion) {
    super()
    this.below = below
    this.version = version
    below.on("data", (chunk: Buffer) => {
      this.hasRead = true
      for (const part of reader.read(chunk)) if (!this.push(part)) below.pause()
    })
    below.on("end", () => this.push(null))
    // Its error is handled where the stream below is watched.
    below.on("close", () => this.destroy())
  }

  /** `written` is called when the bytes are written, and never if the stream ends before. */
  send(packet: Publish | number, written?: () => void): void {
    if (written !== undefined) this.written.push(written)
    if (this.leaving.push(packet) === 1) process.nextTick(() => this.flush())
  }

  private flush(): void {
    const { leaving, written, below } = this
    if (leaving.length === 0) return
    this.leaving = []
    this.written = []
    if (!below.writable) return
    const bytes = encodePackets(leaving, this.version)
    if (written.length === 0) below.write(bytes)
    else
      below.write(bytes, (error) => {
        if (!error) for (const done of written) done()
      })
  }

  override _read(): void {
    this.below.resume()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.flush()
    this.below.write(chunk, done)
  }

  override _final(done: (error?: Error | null) => void): void {
    this.flush()
    this.below.end(done)
  }

  override _destroy(_error: Error | null, done: (error?: Error | null) => void): void {
    this.below.destroy()
    done(null)
  }
}

/** PUBLISHes, and a PUBACK for each number, in their order. */
export const encodePackets = (packets: ReadonlyArray<Publish | number>, version: ProtocolVersion): Buffer => {
  let size = 0
  for (const packet of packets) size += typeof packet === "number" ? 4 : publishSize(packet.message, version)
  const bytes = Buffer.allocUnsafe(size)
  let at = 0
  for (const packet of packets)
    at = typeof packet === "number" ? writePuback(bytes, at, packet) : writePublish(bytes, at, packet, version)
  return bytes
}

const writePublish = (bytes: Buffer, start: number, { message, packetId }: Publish, version: ProtocolVersion) => {
  const { topic, payload, qos, retain } = message
  bytes[start] = 0x30 | (qos << 1) | (retain ? 1 : 0)
  let at = start + 1
  // MQTT, 2.2.3: 7 bits in a byte, the lowest first.
  let length = remainingLength(message, version)
  for (; length >= 128; length = Math.floor(length / 128)) bytes[at++] = (length % 128) | 128
  bytes[at++] = length
  const topicBytes = bytes.write(topic, at + 2)
  at = bytes.writeUInt16BE(topicBytes, at) + topicBytes
  if (qos === 1) at = bytes.writeUInt16BE(packetId, at)
  // No properties: their length is 0.
  if (version === 5) bytes[at++] = 0
  bytes.set(payload, at)
  return at + payload.length
}

/** Both versions have this short form, for success. */
const writePuback = (bytes: Buffer, at: number, packetId: number): number => {
  bytes[at] = 0x40
  bytes[at + 1] = 2
  return bytes.writeUInt16BE(packetId, at + 2)
}
