/**
 * Reads the MQTT packets of a byte stream before the library parses them.
 *
 * PUBLISH, PUBACK and DISCONNECT are read here and not passed on; a PUBLISH above the limit is skipped without being
 * buffered. Reason codes of SUBACK are kept as numbers; the library ends a connection for codes its tables lack, so it is
 * given ones it knows. All other bytes pass unchanged, without being copied.
 *
 * Source: MQTT 3.1.1 and 5.0, 2.1 (fixed header), 3.3, 3.4, 3.9, 3.14.
 */
import type { MqttMessage } from "../../../messages/mqtt.ts"
import type { ProtocolVersion } from "../../../messages/wire/mqtt-publish.ts"
import { refusedSubscription } from "./connection-lifetime.ts"
import { decodeLength, stringProperty } from "./packet-fields.ts"

export interface OversizedPublish {
  readonly topic: string
  readonly qos: number
  /** Undefined for QoS 0. */
  readonly packetId: number | undefined
  /** Of the whole packet, in bytes. */
  readonly size: number
}

export interface Disconnected {
  readonly code: number
  /** The broker's reason string; empty: none. */
  readonly reason: string
}

interface PacketReaderOptions {
  readonly version: ProtocolVersion
  /** A larger PUBLISH is skipped. */
  readonly largestPublish: number
  /** A packet that announces more ends the connection. */
  readonly largestPacket: number
  /** `packetId`: undefined for QoS 0. */
  readonly onPublish: (packetId: number | undefined, message: MqttMessage) => void
  /** `code`: 0 in MQTT 3.1.1. */
  readonly onPuback: (packetId: number, code: number) => void
  /** It is skipped; with QoS 1 the caller sends its PUBACK. */
  readonly onOversized: (publish: OversizedPublish) => void
  /** The broker sent DISCONNECT; it is not passed on. */
  readonly onDisconnect: (disconnected: Disconnected) => void
  /** It is malformed, or larger than `largestPacket`: nothing is passed on from here. */
  readonly onMalformed: (detail: string) => void
}

export class PacketReader {
  private readonly options: PacketReaderOptions
  /** Of each SUBACK by its packet id. */
  private readonly grants = new Map<number, ReadonlyArray<number>>()
  private state: State = newHeader

  constructor(options: PacketReaderOptions) {
    this.options = options
  }

  /** The reason codes of this SUBACK as the broker sent them; once. */
  codesOf(packetId: number): ReadonlyArray<number> | undefined {
    const codes = this.grants.get(packetId)
    this.grants.delete(packetId)
    return codes
  }

  /** The bytes for the library to parse, in order. */
  read(chunk: Buffer): ReadonlyArray<Buffer> {
    const out: Array<Buffer> = []
    /** Bytes from here to `at` pass unchanged. */
    let from = 0
    let at = 0
    const pass = (upTo: number) => {
      if (upTo > from) out.push(chunk.subarray(from, upTo))
      from = upTo
    }
    while (at < chunk.length && this.state.kind !== "ended") {
      const { state } = this
      if (state.kind === "header") {
        const { held } = state
        const source = held.length === 0 ? chunk : Buffer.concat([held, chunk.subarray(at, at + longestHeader)])
        const start = held.length === 0 ? at : 0
        const header = headerAt(source, start)
        if (header === undefined) {
          pass(at)
          // Incomplete: the rest is in the next chunk.
          this.state = { kind: "header", held: Buffer.from(source.subarray(start)) }
          return out
        }
        this.state = this.begin(header)
        if (this.state.kind !== "passing") pass(at)
        else if (held.length > 0) out.push(Buffer.from(held))
        at += header.size - held.length
        if (this.state.kind !== "passing") from = at
        if (this.state.kind === "collecting" && at + header.length <= chunk.length) {
          // The usual case: no copying.
          this.state = newHeader
          this.take(header, chunk, at, at + header.length, out)
          at += header.length
          from = at
          continue
        }
      } else {
        const taken = Math.min(state.left, chunk.length - at)
        const piece = chunk.subarray(at, at + taken)
        at += taken
        state.left -= taken
        if (state.kind !== "passing") from = at
        if (state.kind === "collecting") state.body.push(piece)
        if (state.kind === "skipping") this.takeHead(state, piece)
      }
      this.finish(out)
    }
    if (this.state.kind !== "ended") pass(at)
    return out
  }

  private begin(header: Header): State {
    const { type, length } = header
    const { largestPublish, largestPacket } = this.options
    const size = header.size + length
    if (type === publish && size > largestPublish)
      return { kind: "skipping", left: length, header, size, head: [], headLength: 0, isKnown: false }
    if (type === malformed) return this.end("it sent a malformed packet length")
    if (size > largestPacket) return this.end(`it announced a packet of ${size} bytes`)
    // QoS 2 is never requested, but a session of an earlier client may still have it; the library supports it.
    const isRead =
      (type === publish && (header.first & 0x04) === 0) || type === puback || type === suback || type === disconnect
    return isRead ? { kind: "collecting", left: length, header, body: [] } : { kind: "passing", left: length }
  }

  private end(detail: string): State & { kind: "ended" } {
    this.options.onMalformed(detail)
    return { kind: "ended" }
  }

  /** Topic and packet id of a skipped PUBLISH, as soon as they are received. */
  private takeHead(state: Skipping, piece: Buffer): void {
    if (state.isKnown) return
    const wanted = longestHead - state.headLength
    const part = Buffer.from(piece.subarray(0, wanted))
    state.head.push(part)
    state.headLength += part.length
    const head = Buffer.concat(state.head)
    const topicLength = head.length < 2 ? undefined : head.readUInt16BE(0)
    const qos = (state.header.first >> 1) & 3
    if (topicLength === undefined || head.length < 2 + topicLength + (qos > 0 ? 2 : 0)) return
    state.isKnown = true
    state.head = []
    const topic = head.toString("utf8", 2, 2 + topicLength)
    if (state.size > this.options.largestPacket) {
      this.state = this.end(`it announced a message of ${state.size} bytes on topic ${topic}`)
      return
    }
    const packetId = qos > 0 ? head.readUInt16BE(2 + topicLength) : undefined
    this.options.onOversized({ topic, qos, packetId, size: state.size })
  }

  /** Ends a packet; the next one begins. */
  private finish(out: Array<Buffer>): void {
    const { state } = this
    if (state.kind === "header" || state.kind === "ended" || state.left > 0) return
    this.state = newHeader
    if (state.kind !== "collecting") return
    const body = Buffer.concat(state.body)
    this.take(state.header, body, 0, body.length, out)
  }

  /** A whole packet without its header, from `start` to `end`. */
  private take({ type, first }: Header, bytes: Buffer, start: number, end: number, out: Array<Buffer>): void {
    if (type === publish) this.publish(first, bytes, start, end)
    else if (type === puback) this.puback(bytes, start, end)
    else if (type === suback) out.push(this.suback(bytes.subarray(start, end)))
    else this.options.onDisconnect(disconnectOf(bytes.subarray(start, end), this.options.version))
  }

  private publish(first: number, bytes: Buffer, start: number, end: number): void {
    const { version, onPublish } = this.options
    const qos = (first & 0x02) === 0 ? 0 : 1
    const topicStart = start + 2
    const topicEnd = topicStart > end ? topicStart : topicStart + bytes.readUInt16BE(start)
    let at = topicEnd + 2 * qos
    if (version === 5 && at < end && bytes[at] === 0) at += 1
    else if (version === 5) {
      const properties = decodeLength(bytes.subarray(0, end), at)
      at = properties.end === at ? Number.POSITIVE_INFINITY : properties.end + properties.value
    }
    // Without a topic it has an alias, which we do not allow (MQTT 5.0, 3.3.2.3.4).
    if (at > end || topicEnd === topicStart) {
      this.state = this.end("it sent a malformed PUBLISH")
      return
    }
    const message: MqttMessage = {
      topic: bytes.toString("utf8", topicStart, topicEnd),
      payload: bytes.subarray(at, end),
      qos,
      retain: (first & 0x01) === 1
    }
    onPublish(qos === 0 ? undefined : bytes.readUInt16BE(topicEnd), message)
  }

  /** Its properties are not used. */
  private puback(bytes: Buffer, start: number, end: number): void {
    if (end < start + 2) this.state = this.end("it sent a malformed PUBACK")
    else {
      const code = this.options.version === 5 && end > start + 2 ? (bytes[start + 2] ?? 0) : 0
      this.options.onPuback(bytes.readUInt16BE(start), code)
    }
  }

  private suback(body: Buffer): Buffer {
    const { version } = this.options
    // Too short: the library reports it.
    if (body.length < 3) return Buffer.concat([Buffer.from([suback << 4, body.length]), body])
    const properties = version === 5 ? decodeLength(body, 2) : { value: 0, end: 2 }
    const codes = [...body.subarray(properties.end + properties.value)]
    const packetId = body.readUInt16BE(0)
    this.grants.set(packetId, codes)
    const known = codes.map((code) => (code <= 2 ? code : refusedSubscription))
    const rest = [...(version === 5 ? [0] : []), ...known]
    return Buffer.concat([
      Buffer.from([suback << 4, ...encodeLength(2 + rest.length)]),
      body.subarray(0, 2),
      Buffer.from(rest)
    ])
  }
}

interface Header {
  /** The first byte: type and flags. */
  readonly first: number
  readonly type: number
  /** Remaining Length. */
  readonly length: number
  /** Bytes of the header itself. */
  readonly size: number
}

interface Collecting {
  readonly kind: "collecting"
  readonly header: Header
  left: number
  readonly body: Array<Buffer>
}

interface Skipping {
  readonly kind: "skipping"
  readonly header: Header
  readonly size: number
  left: number
  head: Array<Buffer>
  headLength: number
  /** Topic and packet id were read. */
  isKnown: boolean
}

type State =
  | { readonly kind: "header"; readonly held: Buffer }
  | { readonly kind: "passing"; left: number }
  | Collecting
  | Skipping
  | { readonly kind: "ended" }

const newHeader: State = { kind: "header", held: Buffer.alloc(0) }

/** Undefined: incomplete. A length of more than four bytes is malformed. */
const headerAt = (bytes: Buffer, at: number): Header | undefined => {
  const first = bytes[at] ?? 0
  let length = 0
  for (let index = 1; index < longestHeader; index++) {
    const byte = bytes[at + index]
    if (byte === undefined) return undefined
    length += (byte & 0x7f) * 128 ** (index - 1)
    if (byte < 0x80) return { first, type: first >> 4, length, size: index + 1 }
  }
  return { first, type: malformed, length: Number.POSITIVE_INFINITY, size: longestHeader }
}

const disconnectOf = (body: Buffer, version: ProtocolVersion): Disconnected => {
  const code = version === 5 ? (body[0] ?? 0) : 0
  return { code, reason: version === 5 ? (stringProperty(body, 1, reasonString) ?? "") : "" }
}

const encodeLength = (length: number): ReadonlyArray<number> =>
  length < 128 ? [length] : [(length % 128) | 0x80, ...encodeLength(Math.floor(length / 128))]

const publish = 3
const puback = 4
const suback = 9
const disconnect = 14
const malformed = -1

/** MQTT 5.0, 2.2.2.2. */
const reasonString = 0x1f

/** Topic with its length, and packet id. */
const longestHead = 2 + 65_535 + 2

const longestHeader = 5
