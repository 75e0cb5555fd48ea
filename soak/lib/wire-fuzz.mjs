/**
 * Frames that are none: mutated vectors and random bytes, as many as wanted, the same for the same seed.
 *
 * For each: reading throws nothing, holds no more than the bytes had, and what was read is written and read back the
 * same. The first that breaks this ends it, with its bytes in the message.
 */
import { readFileSync } from "node:fs"
import { Redacted, Result } from "effect"

const vectors = new URL("../../test/messages/wire/frame1-vectors.json", import.meta.url)

/** The golden frames of both sides, as they stand on the socket. */
const goldenFrames = () =>
  JSON.parse(readFileSync(vectors, "utf8")).frames.map(({ bytes }) => Uint8Array.of(0, ...bytes))

/** Answers how many were frames and how many were refused. */
export const fuzz = ({ decodeFrame, encodeFrame }, { seed, from = 0, count, onProgress = () => {} }) => {
  const random = generator(seed + from)
  const golden = goldenFrames()
  const counts = { frames: 0, refused: 0 }
  for (let n = from; n < from + count; n++) {
    const bytes = inputOf(random, golden, n)
    try {
      if (judge(bytes, decodeFrame, encodeFrame)) counts.frames += 1
      else counts.refused += 1
    } catch (error) {
      throw new Error(`input ${n} of seed ${seed} (${Buffer.from(bytes).toString("hex").slice(0, 400)}): ${error}`)
    }
    if (n % 100_000 === 0) onProgress(n)
  }
  return counts
}

/** True: it was a frame. */
const judge = (bytes, decodeFrame, encodeFrame) => {
  const read = decodeFrame(bytes)
  if (Result.isFailure(read)) {
    if (read.failure._tag !== "FrameNotDecoded") throw new Error(`refused with ${read.failure._tag}`)
    return false
  }
  const held = contentOf(read.success)
  if (held > bytes.length) throw new Error(`${held} bytes were read from ${bytes.length}`)
  const written = encodeFrame(read.success)
  const again = decodeFrame(written)
  if (Result.isFailure(again)) throw new Error(`what was read is refused when it is written: ${again.failure.problem}`)
  if (Buffer.compare(encodeFrame(again.success), written) !== 0) throw new Error("it is read back as something else")
  return true
}

/** Bytes of texts and arrays; an element is one at least. */
const contentOf = (value) => {
  if (Redacted.isRedacted(value)) return contentOf(Redacted.value(value))
  if (typeof value === "string") return Buffer.byteLength(value)
  if (value instanceof Uint8Array) return value.length
  if (Array.isArray(value)) return value.reduce((sum, one) => sum + Math.max(1, contentOf(one)), 0)
  if (value === null || typeof value !== "object") return 0
  // The tag and words like "ecdsa_secp256r1_sha256" are ours, and stand for a byte.
  const fields = Object.entries(value).filter(([name]) => name !== "_tag" && name !== "scheme" && name !== "type")
  return fields.reduce((sum, [, one]) => sum + contentOf(one), 0)
}

/** Mostly small, as frames are; now and then as long as a request or an answer may be. */
const inputOf = (random, golden, n) => {
  if (n % 200_000 === 0) return long(random, golden, 1 << 20)
  if (n % 10_000 === 0) return long(random, golden, 1 << 16)
  const kind = random(8)
  if (kind === 0) return randomBytes(random, random(64))
  if (kind === 1) return Uint8Array.of(0, random(26), ...randomBytes(random, random(48)))
  let bytes = [...golden[random(golden.length)]]
  for (let mutations = 1 + random(5); mutations > 0; mutations--) bytes = mutated(random, golden, bytes)
  return Uint8Array.from(bytes)
}

const long = (random, golden, length) => {
  const bytes = new Uint8Array(length)
  const start = golden[random(golden.length)]
  bytes.fill(random(2) === 0 ? 0 : random(256))
  bytes.set(start.subarray(0, 1 + random(start.length)))
  for (let spots = random(20); spots > 0; spots--) bytes[random(length)] = random(256)
  return bytes
}

const mutated = (random, golden, bytes) => {
  const at = random(bytes.length + 1)
  const other = golden[random(golden.length)]
  switch (random(8)) {
    case 0:
      return [...bytes.slice(0, at), random(256), ...bytes.slice(at + 1)]
    case 1:
      return [...bytes.slice(0, at), random(256), ...bytes.slice(at)]
    case 2:
      return [...bytes.slice(0, at), ...bytes.slice(at + 1 + random(4))]
    case 3:
      return bytes.slice(0, at)
    case 4:
      return [...bytes, ...randomBytes(random, random(16))]
    case 5:
      return [...bytes.slice(0, at), ...other.subarray(random(other.length))]
    case 6:
      return [...bytes.slice(0, at), ...claims[random(claims.length)], ...bytes.slice(at)]
    default:
      return bytes.map((byte, index) => (index === at ? byte ^ (1 << random(8)) : byte))
  }
}

/** Lengths that lie: 127, 4 GiB, 2^63, a varint that never ends, one written longer than it needs. */
const claims = [
  [0x7f],
  [0xff, 0xff, 0xff, 0xff, 0x0f],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
  Array(11).fill(0xff),
  [0x81, 0x80, 0x00]
]

const randomBytes = (random, length) => Uint8Array.from({ length }, () => random(256))

/** Whole numbers from 0, below `limit` (mulberry32). */
const generator = (seed) => {
  let state = seed >>> 0
  return (limit) => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit
  }
}
