/**
 * The MQTT packets of a byte stream, before the library parses them.
 *
 * Reason codes of PUBACK, PUBREC, SUBACK and DISCONNECT are kept as numbers; the library ends a connection for codes its
 * tables lack, so it is given ones it knows. A PUBLISH above the limit is skipped without being buffered. All other
 * bytes pass unchanged, without being copied.
 *
 * Source: MQTT 3.1.1 and 5.0, 2.1 (fixed header), 3.4, 3.9, 3.14.
 */

import { decodeLength, stringProperty } from "./packet-fields.ts"
import type { ProtocolVersion } from "./publish-packet.ts"
import { refusedSubscription } from "./reason-codes.ts"

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
  /** The broker's own words; empty: none. */
  readonly reason: string
}

interface PacketReaderOptions {
  readonly version: ProtocolVersion
  /** A PUBLISH of more bytes is skipped. */
  readonly largestPublish: number
  /** A packet that announces more ends the connection. */
  readonly largestPacket: number
  /** It is skipped; with QoS 1 its PUBACK is the caller's to send. */
  readonly onOversized: (publish: OversizedPublish) => void
  /** The broker sent DISCONNECT; it is not passed on. */
  readonly onDisconnect: (disconnected: Disconnected) => void
  /** The packet announces more than `largestPacket`: nothing is passed on from here. */
  readonly onTooLarge: (detail: string) => void
}

export class PacketReader {
  private readonly options: PacketReaderOptions
  /** Refusals by packet id, of publishes and of subscriptions. */
  private readonly refusals = new Map<number, ReadonlyArray<number>>()
  private state: State = newHeader

  constructor(options: PacketReaderOptions) {
    this.options = options
  }

  /** The reason codes of this PUBACK or SUBACK as the broker sent them; once. Undefined: as the library read them. */
  codesOf(packetId: number): ReadonlyArray<number> | undefined {
    const codes = this.refusals.get(packetId)
    this.refusals.delete(packetId)
    return codes
  }

  /** What the library is to parse, in order. */
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
          // The rest of it comes with the next chunk.
          this.state = { kind: "header", held: Buffer.from(source.subarray(start)) }
          return out
        }
        this.state = this.begin(header)
        if (this.state.kind !== "passing") pass(at)
        else if (held.length > 0) out.push(Buffer.from(held))
        at += header.size - held.length
        if (this.state.kind !== "passing") from = at
      } else {
        const taken = Math.min(state.left, chunk.length - at)
        const piece = chunk.subarray(at, at + taken)
        at += taken
        state.left -= taken
        if (state.kind !== "passing") from = at
        if (state.kind === "collecting") state.body.push(Buffer.from(piece))
        if (state.kind === "skipping") this.takeHead(state, piece)
      }
      this.finish(out)
    }
    if (this.state.kind !== "ended") pass(at)
    return out
  }

  private begin(header: Header): State {
    const { type, length } = header
    const { version, largestPublish, largestPacket } = this.options
    const size = header.size + length
    if (type === publish && size > largestPublish)
      return { kind: "skipping", left: length, header, size, head: [], headLength: 0, isKnown: false }
    if (type === malformed) return this.end("it sent a malformed packet length")
    if (size > largestPacket) return this.end(`it announced a packet of ${size} bytes`)
    const isRead =
      type === disconnect || type === suback || (version === 5 && length > 2 && type >= puback && type <= pubcomp)
    return isRead ? { kind: "collecting", left: length, header, body: [] } : { kind: "passing", left: length }
  }

  private end(detail: string): State & { kind: "ended" } {
    this.options.onTooLarge(detail)
    return { kind: "ended" }
  }

  /** Topic and packet id of a PUBLISH that is skipped, as soon as they are there. */
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

  /** At the end of a packet the next one begins. */
  private finish(out: Array<Buffer>): void {
    const { state } = this
    if (state.kind === "header" || state.kind === "ended" || state.left > 0) return
    this.state = newHeader
    if (state.kind !== "collecting") return
    const { header } = state
    const body = Buffer.concat(state.body)
    if (header.type === disconnect) this.options.onDisconnect(disconnectOf(body, this.options.version))
    else out.push(header.type === suback ? this.suback(body) : this.acknowledgement(header, body))
  }

  /** PUBACK and the like with a reason code; its properties are not used. */
  private acknowledgement({ first }: Header, body: Buffer): Buffer {
    const packetId = body.readUInt16BE(0)
    const code = body[2] ?? 0
    if (code < 0x80) return Buffer.from([first, 2, packetId >> 8, packetId & 0xff])
    this.refusals.set(packetId, [code])
    return Buffer.from([first, 3, packetId >> 8, packetId & 0xff, refusedAck])
  }

  private suback(body: Buffer): Buffer {
    const { version } = this.options
    // Too short to be one: the library says so.
    if (body.length < 3) return Buffer.concat([Buffer.from([suback << 4, body.length]), body])
    const properties = version === 5 ? decodeLength(body, 2) : { value: 0, end: 2 }
    const codes = [...body.subarray(properties.end + properties.value)]
    const packetId = body.readUInt16BE(0)
    this.refusals.set(packetId, codes)
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
  /** Topic and packet id were found. */
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
const pubcomp = 7
const suback = 9
const disconnect = 14
const malformed = -1

/** MQTT 5.0, 2.2.2.2. */
const reasonString = 0x1f

/** "Unspecified error", which the library knows. */
const refusedAck = 0x80

/** Topic with its length, and packet id. */
const longestHead = 2 + 65_535 + 2

const longestHeader = 5
