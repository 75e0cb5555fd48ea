/** The few DER structures that surround keys and signatures. Source: ITU-T X.690, 8 and 10. */

export const sequence = (...parts: ReadonlyArray<Uint8Array>): Uint8Array => tagged(0x30, parts)

/** Without padding bits. */
export const bitString = (content: Uint8Array): Uint8Array => tagged(0x03, [zero, content])

/** A non-negative INTEGER of big-endian bytes, with at most one leading zero, for the sign. */
export const unsignedInteger = (bytes: Uint8Array): Uint8Array => {
  let start = 0
  while (bytes[start] === 0) start++
  if (start === bytes.length) return tagged(0x02, [zero])
  const digits = bytes.subarray(start)
  return tagged(0x02, (digits[0] ?? 0) < 0x80 ? [digits] : [zero, digits])
}

const zero = Uint8Array.of(0)

const tagged = (tag: number, parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const length = parts.reduce((sum, part) => sum + part.length, 0)
  const encoded = lengthOf(length)
  const all = new Uint8Array(1 + encoded.length + length)
  all[0] = tag
  all.set(encoded, 1)
  let at = 1 + encoded.length
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}

const lengthOf = (length: number): ReadonlyArray<number> => {
  if (length < 0x80) return [length]
  if (length < 0x100) return [0x81, length]
  return [0x82, length >> 8, length & 0xff]
}
