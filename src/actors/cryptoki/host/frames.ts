/**
 * Frames between parent and token host: a 32-bit length, then JSON in which bytes are `{"$bytes": base64}`, or the
 * compact form of `host/compact-frames.ts`.
 *
 * Pure and without libraries, since the host must start fast. The host's standard output is the module's, never ours.
 */
import { compactBody, fromCompactBody } from "./compact-frames.ts"

/** More than any answer needs; a longer frame means that the peer is out of its mind. */
export const maximalFrame = 16 * 1024 * 1024

/** The peer sent what is no frame. */
export class GarbledFrame extends Error {
  override readonly name = "GarbledFrame"
}

export const encodeFrame = (value: unknown): Buffer => {
  const body = compactBody(value) ?? Buffer.from(JSON.stringify(value, bytesOut), "utf8")
  const frame = Buffer.allocUnsafe(body.length + 4)
  frame.writeUInt32BE(body.length, 0)
  frame.set(body, 4)
  return frame
}

/**
 * Frames that are ready at the same time go out in one write: each write wakes the other process, which costs more
 * than all the rest of a frame's way. A few of them are enough: the other process can begin meanwhile.
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

/** Gathers chunks and gives back the values of the frames they complete. Throws GarbledFrame. */
export const frameReader = (limit = maximalFrame): ((chunk: Uint8Array) => ReadonlyArray<unknown>) => {
  let pending: Buffer = Buffer.alloc(0)
  return (chunk) => {
    pending = pending.length === 0 ? Buffer.from(chunk) : Buffer.concat([pending, chunk])
    const values: Array<unknown> = []
    while (pending.length >= 4) {
      const length = pending.readUInt32BE(0)
      if (length > limit) throw new GarbledFrame(`a frame of ${length} bytes`)
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
    // The parser's words may quote a PIN.
    throw new GarbledFrame("not JSON")
  }
}

// JSON.stringify calls Buffer.toJSON first, so the holder is asked for the value as it was.
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
