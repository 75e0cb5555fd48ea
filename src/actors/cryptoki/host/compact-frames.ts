/**
 * The two frames of which there is one for each signature, in a shorter form than JSON.
 *
 *   sign:       1, call (32 bits), mechanism (32 bits), slot, handle (a length byte each), and the input up to the end
 *   signature:  2, call (32 bits), mechanism index (8 bits), quick (8 bits), and the signature up to the end
 *
 * What does not fit (several mechanisms, parameters, a PIN, a refusal) goes as JSON, whose first byte is another.
 */
import type { HostReply, HostRequest, HostRequests } from "./protocol.ts"

type SignRequest = Extract<HostRequest, { readonly name: "sign" }>

/** The compact form of a frame's body; undefined: it has none. */
export const compactBody = (value: unknown): Uint8Array | undefined => {
  if (typeof value !== "object" || value === null) return undefined
  const message = value as HostRequest | HostReply
  if ("name" in message) return message.name === "sign" ? compactRequest(message) : undefined
  return "answer" in message ? compactReply(message.call, message.answer) : undefined
}

/** Undefined: it is no compact form, or not a whole one. */
export const fromCompactBody = (body: Buffer): HostRequest | HostReply | undefined => {
  if (body[0] === signTag) return requestOf(body)
  if (body[0] !== signatureTag || body.length < replyHeader) return undefined
  const signature = new Uint8Array(body.subarray(replyHeader))
  return {
    call: body.readUInt32BE(1),
    answer: { signature, mechanismIndex: body.readUInt8(5), isQuick: body[6] === 1 }
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
const replyHeader = 7
