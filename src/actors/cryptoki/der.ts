/** The few DER structures that surround keys and signatures. Source: ITU-T X.690, 8 and 10. */

export const sequence = (...parts: ReadonlyArray<Uint8Array>): Uint8Array => tagged(0x30, Buffer.concat(parts))

/** Without padding bits. */
export const bitString = (content: Uint8Array): Uint8Array => tagged(0x03, Buffer.concat([Buffer.of(0), content]))

export const octetString = (content: Uint8Array): Uint8Array => tagged(0x04, content)

/** A non-negative INTEGER of big-endian bytes: no leading zero more than the sign needs. */
export const unsignedInteger = (bytes: Uint8Array): Uint8Array => {
  const start = bytes.findIndex((byte) => byte !== 0)
  const digits = start < 0 ? Uint8Array.of(0) : bytes.subarray(start)
  return tagged(0x02, (digits[0] ?? 0) < 0x80 ? digits : Buffer.concat([Buffer.of(0), digits]))
}

const tagged = (tag: number, content: Uint8Array): Uint8Array =>
  new Uint8Array(Buffer.concat([Buffer.of(tag, ...lengthOf(content.length)), content]))

const lengthOf = (length: number): ReadonlyArray<number> => {
  if (length < 0x80) return [length]
  if (length < 0x100) return [0x81, length]
  return [0x82, length >> 8, length & 0xff]
}
