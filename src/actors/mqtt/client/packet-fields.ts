/** Fields of MQTT 5 packets that may be malformed: undefined if unreadable, never an exception. */

/** A Variable Byte Integer (MQTT 5.0, 1.5.5) and its end. A malformed one is 0. */
export const decodeLength = (bytes: Uint8Array, from: number): { readonly value: number; readonly end: number } => {
  let value = 0
  for (let index = 0; index < 4; index++) {
    const byte = bytes[from + index]
    if (byte === undefined) return { value: 0, end: from }
    value += (byte & 0x7f) * 128 ** index
    if (byte < 0x80) return { value, end: from + index + 1 }
  }
  return { value: 0, end: from }
}

/** The first string property with this identifier, among the properties whose length is at `from` (2.2.2). */
export const stringProperty = (bytes: Buffer, from: number, wanted: number): string | undefined => {
  const { value, end } = decodeLength(bytes, from)
  const properties = bytes.subarray(end, end + value)
  for (let at = 0; at < properties.length; ) {
    const identifier = properties[at] ?? 0
    const size = sizeOf(identifier, properties, at + 1)
    if (size === undefined) return undefined
    if (identifier === wanted) return properties.toString("utf8", at + 3, at + 1 + size)
    at += 1 + size
  }
  return undefined
}

const sizeOf = (identifier: number, bytes: Buffer, at: number): number | undefined => {
  const fixed = fixedSizes[identifier]
  if (fixed !== undefined) return fixed
  const text = (from: number) => (from + 2 > bytes.length ? undefined : 2 + bytes.readUInt16BE(from))
  const first = strings.has(identifier) ? text(at) : undefined
  if (first === undefined || identifier !== userProperty) return first
  const second = text(at + first)
  return second === undefined ? undefined : first + second
}

/** MQTT 5.0, table 2-4: those allowed in DISCONNECT, and the others of a known size. */
const fixedSizes: Readonly<Record<number, number>> = {
  17: 4,
  19: 2,
  33: 2,
  34: 2,
  36: 1,
  37: 1,
  39: 4,
  40: 1,
  41: 1,
  42: 1
}

const userProperty = 0x26

/** Reason String, Server Reference, User Property and the like. */
const strings: ReadonlySet<number> = new Set([0x12, 0x15, 0x16, 0x1a, 0x1c, 0x1f, userProperty])
