/**
 * Frames between parent and token host: a 32-bit length, then JSON in which bytes are `{"$bytes": base64}`, or the
 * compact form of the two frames needed for every signature:
 *
 *   sign:       1, call (32 bits), mechanism (32 bits), slot, handle (a length byte each), and the input up to the end
 *   signature:  2, call (32 bits), mechanism index (8 bits), quick (8 bits), milliseconds (a float), and the signature
 *               up to the end
 *
 * Everything else (several mechanisms, parameters, a PIN, a refusal) is JSON, whose first byte differs.
 * Pure and without libraries, since the host must start fast. The host's standard output belongs to the module.
 */
import type { HostReply, HostRequest, HostRequests } from "./protocol.ts"

/** Larger than any response; a longer frame means that the peer is broken. */
const maximalFrame = 16 * 1024 * 1024

/** The peer sent an invalid frame. */
export class InvalidFrame extends Error {
  override readonly name = "InvalidFrame"
}

export const encodeFrame = (value: unknown): Buffer => {
  const body = compactBody(value) ?? Buffer.from(JSON.stringify(value, bytesOut), "utf8")
  const frame = Buffer.allocUnsafe(body.length + 4)
  frame.writeUInt32BE(body.length, 0)
  frame.set(body, 4)
  return frame
}

/**
 * Frames that are ready at the same time are sent in one write: each write wakes the other process, which costs more
 * than the rest of the transfer. At most a few, so that the other process can start.
 */
export const frameWriter = (write: (bytes: Uint8Array) => unknown): ((value: unknown) => void) => {
  let waiting: Array<Buffer> = []
  const flush = () => {
    if (waiting.length === 0) return
    const frames = waiting
    waiting = []
    write(frames.length === 1 && frames[0] ? frames[0] : Buffer.concat(frames))
  }
  return (value) => {
    waiting.push(encodeFrame(value))
    if (waiting.length === enough) flush()
    else if (waiting.length === 1) process.nextTick(flush)
  }
}

/** Collects chunks and returns the values of the completed frames. Throws InvalidFrame. */
export const frameReader = (limit = maximalFrame): ((chunk: Uint8Array) => ReadonlyArray<unknown>) => {
  let pending: Buffer = Buffer.alloc(0)
  return (chunk) => {
    pending = pending.length === 0 ? Buffer.from(chunk) : Buffer.concat([pending, chunk])
    const values: Array<unknown> = []
    while (pending.length >= 4) {
      const length = pending.readUInt32BE(0)
      if (length > limit) throw new InvalidFrame(`a frame of ${length} bytes`)
      if (pending.length < 4 + length) break
      values.push(parse(pending.subarray(4, 4 + length)))
      pending = pending.subarray(4 + length)
    }
    return values
  }
}

const parse = (body: Buffer): unknown => {
  if (body[0] !== openingBrace) {
    const value = fromCompactBody(body)
    if (value !== undefined) return value
  }
  try {
    return JSON.parse(body.toString("utf8"), bytesIn)
  } catch {
    // The parser's message may quote a PIN.
    throw new InvalidFrame("not JSON")
  }
}

// JSON.stringify calls Buffer.toJSON first, so the original value is read from the holder.
function bytesOut(this: unknown, key: string, value: unknown): unknown {
  const original = typeof this === "object" && this !== null ? Reflect.get(this, key) : value
  return original instanceof Uint8Array
    ? { $bytes: Buffer.from(original.buffer, original.byteOffset, original.byteLength).toString("base64") }
    : value
}

const bytesIn = (_key: string, value: unknown): unknown =>
  typeof value === "object" && value !== null && "$bytes" in value && typeof value.$bytes === "string"
    ? new Uint8Array(Buffer.from(value.$bytes, "base64"))
    : value

const openingBrace = 0x7b

const enough = 4

type SignRequest = Extract<HostRequest, { readonly name: "sign" }>

/** The compact form of a frame's body; undefined: it has none. */
const compactBody = (value: unknown): Uint8Array | undefined => {
  if (typeof value !== "object" || value === null) return undefined
  const message = value as HostRequest | HostReply
  if ("name" in message) return message.name === "sign" ? compactRequest(message) : undefined
  return "answer" in message ? compactReply(message.call, message.answer) : undefined
}

/** Undefined: not in compact form, or incomplete. */
const fromCompactBody = (body: Buffer): HostRequest | HostReply | undefined => {
  if (body[0] === signTag) return requestOf(body)
  if (body[0] !== signatureTag || body.length < replyHeader) return undefined
  const signature = new Uint8Array(body.subarray(replyHeader))
  return {
    call: body.readUInt32BE(1),
    answer: { signature, mechanismIndex: body.readUInt8(5), isQuick: body[6] === 1, tookMs: body.readFloatBE(7) }
  }
}

const compactRequest = ({ call, asked }: SignRequest): Uint8Array | undefined => {
  const { slot, handle, mechanisms, contextPin } = asked
  const [only, ...others] = mechanisms
  if (only === undefined || others.length > 0 || only.pss !== undefined || contextPin !== undefined) return undefined
  if (slot.length > 0xff || handle.length > 0xff) return undefined
  const body = Buffer.allocUnsafe(requestHeader + 2 + slot.length + handle.length + only.input.length)
  body.writeUInt8(signTag, 0)
  body.writeUInt32BE(call, 1)
  body.writeUInt32BE(only.mechanism, 5)
  let at = requestHeader
  for (const text of [slot, handle]) {
    body.writeUInt8(text.length, at)
    at += 1 + body.write(text, at + 1, "latin1")
  }
  body.set(only.input, at)
  return body
}

const requestOf = (body: Buffer): SignRequest | undefined => {
  const slotEnd = requestHeader + 1 + (body[requestHeader] ?? 0)
  const handleEnd = slotEnd + 1 + (body[slotEnd] ?? 0)
  if (handleEnd > body.length) return undefined
  const input = new Uint8Array(body.subarray(handleEnd))
  return {
    call: body.readUInt32BE(1),
    name: "sign",
    asked: {
      slot: body.toString("latin1", requestHeader + 1, slotEnd),
      handle: body.toString("latin1", slotEnd + 1, handleEnd),
      mechanisms: [{ mechanism: body.readUInt32BE(5), pss: undefined, input }],
      contextPin: undefined
    }
  }
}

const compactReply = (call: number, answer: unknown): Uint8Array | undefined => {
  if (!isSignature(answer) || answer.mechanismIndex > 0xff) return undefined
  const body = Buffer.allocUnsafe(replyHeader + answer.signature.length)
  body.writeUInt8(signatureTag, 0)
  body.writeUInt32BE(call, 1)
  body.writeUInt8(answer.mechanismIndex, 5)
  body.writeUInt8(answer.isQuick ? 1 : 0, 6)
  body.writeFloatBE(answer.tookMs, 7)
  body.set(answer.signature, replyHeader)
  return body
}

const isSignature = (answer: unknown): answer is HostRequests["sign"]["answer"] =>
  typeof answer === "object" &&
  answer !== null &&
  "signature" in answer &&
  answer.signature instanceof Uint8Array &&
  "mechanismIndex" in answer &&
  typeof answer.mechanismIndex === "number"

const signTag = 1
const signatureTag = 2
const requestHeader = 9
const replyHeader = 11
