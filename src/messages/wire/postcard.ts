/**
 * The primitives of Rust's `postcard` encoding, as far as the signing service's protocol uses them.
 *
 * Reading is sticky: after the first error every read returns an empty value and the error stays, so a decoder
 * needs no checks in between. Lengths are compared with the remaining bytes before anything is allocated.
 * Source: postcard wire format 1.0.
 */

/** Bytes being read, from left to right. */
export interface Reader {
  readonly bytes: Uint8Array
  at: number
  problem: DecodeProblem | undefined
}

export type DecodeProblem =
  | "ends-early"
  | "varint-too-long"
  | "number-too-big"
  | "bad-bool"
  | "bad-option"
  | "bad-utf8"
  | "unknown-version"
  | "unknown-variant"
  /** More bytes than a request may have; they were not parsed. */
  | "too-long"

/** Encoder and decoder of one type. */
export interface Codec<Value> {
  readonly write: (out: Array<Uint8Array>, value: Value) => void
  readonly read: (from: Reader) => Value
}

export const readerOf = (bytes: Uint8Array): Reader => ({ bytes, at: 0, problem: undefined })

/** Fails the whole read. The first error is kept. */
export const refuse = (from: Reader, problem: DecodeProblem): void => {
  from.problem ??= problem
  from.at = from.bytes.length
}

const left = (from: Reader): number => from.bytes.length - from.at

const readByte = (from: Reader): number => {
  const byte = from.bytes[from.at]
  if (byte === undefined) {
    refuse(from, "ends-early")
    return 0
  }
  from.at++
  return byte
}

/** One raw byte. */
export const u8: Codec<number> = {
  write: (out, value) => out.push(Uint8Array.of(value)),
  read: readByte
}

export const bool: Codec<boolean> = {
  write: (out, value) => out.push(Uint8Array.of(value ? 1 : 0)),
  read: (from) => {
    const byte = readByte(from)
    if (byte > 1) refuse(from, "bad-bool")
    return byte === 1
  }
}

/** Unsigned LEB128 of at most `bits`; as many bytes as those need. */
const readBigVarint = (from: Reader, bits: bigint): bigint => {
  let value = 0n
  for (let shift = 0n; shift < bits; shift += 7n) {
    const byte = readByte(from)
    value |= BigInt(byte & 0x7f) << shift
    if (byte < 0x80) {
      if (value >> bits !== 0n) refuse(from, "number-too-big")
      return from.problem === undefined ? value : 0n
    }
  }
  refuse(from, "varint-too-long")
  return 0n
}

const writeBigVarint = (out: Array<Uint8Array>, value: bigint): void => {
  const bytes: Array<number> = []
  let rest = value
  for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80)
  out.push(Uint8Array.of(...bytes, Number(rest)))
}

/** The same below 128, which nearly all are. */
const readVarint = (from: Reader, bits: bigint): number => {
  const byte = from.bytes[from.at]
  if (byte === undefined || byte >= 0x80) return Number(readBigVarint(from, bits))
  from.at++
  return byte
}

const writeVarint = (out: Array<Uint8Array>, value: number): void => {
  if (value < 0x80) out.push(Uint8Array.of(value))
  else writeBigVarint(out, BigInt(value))
}

const varint = (bits: bigint): Codec<number> => ({
  write: writeVarint,
  read: (from) => readVarint(from, bits)
})

export const u16 = varint(16n)
export const u32 = varint(32n)
export const u64: Codec<bigint> = { write: writeBigVarint, read: (from) => readBigVarint(from, 64n) }

/** A length or count. An element has at least one byte, so more elements than bytes left is invalid. */
const readLength = (from: Reader): number => {
  const length = readVarint(from, 64n)
  if (length <= left(from)) return length
  refuse(from, "ends-early")
  return 0
}

export const bytes: Codec<Uint8Array> = {
  write: (out, value) => {
    writeVarint(out, value.length)
    out.push(value)
  },
  read: (from) => {
    const length = readLength(from)
    const value = from.bytes.slice(from.at, from.at + length)
    from.at += length
    return value
  }
}

export const string: Codec<string> = {
  write: (out, value) => bytes.write(out, Buffer.from(value, "utf8")),
  read: (from) => {
    const value = bytes.read(from)
    try {
      return utf8.decode(value)
    } catch {
      // The decoder's only way to report that the bytes are not UTF-8.
      refuse(from, "bad-utf8")
      return ""
    }
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** None where the frame ends: a peer older than the field sends nothing for it. */
export const option = <Value>(inner: Codec<Value>): Codec<Value | undefined> => ({
  write: (out, value) => {
    out.push(Uint8Array.of(value === undefined ? 0 : 1))
    if (value !== undefined) inner.write(out, value)
  },
  read: (from) => {
    if (left(from) === 0) return undefined
    const present = readByte(from)
    if (present > 1) refuse(from, "bad-option")
    return present === 1 ? inner.read(from) : undefined
  }
})

export const sequence = <Value>(inner: Codec<Value>): Codec<ReadonlyArray<Value>> => ({
  write: (out, values) => {
    writeVarint(out, values.length)
    for (const value of values) inner.write(out, value)
  },
  read: (from) => {
    const count = readLength(from)
    const values: Array<Value> = []
    while (values.length < count && from.problem === undefined) values.push(inner.read(from))
    return values
  }
})

/** The fields in the given order. */
export const struct = <Value extends object>(
  fields: { readonly [Name in keyof Value]-?: Codec<Value[Name]> }
): Codec<Value> => {
  const names = Object.keys(fields) as Array<string & keyof Value>
  return {
    write: (out, value) => {
      for (const name of names) fields[name].write(out, value[name])
    },
    read: (from) => {
      const value: Partial<Value> = {}
      for (const name of names) value[name] = fields[name].read(from)
      return value as Value
    }
  }
}

/** An enum without fields: the index of the name. */
export const enumeration = <Name extends string>(names: ReadonlyArray<Name>, first: Name): Codec<Name> => ({
  write: (out, name) => u32.write(out, names.indexOf(name)),
  read: (from) => {
    const name = names[u32.read(from)]
    if (name === undefined) refuse(from, "unknown-variant")
    return name ?? first
  }
})

/** Another representation of a value that is encoded as `inner`. */
export const mapped = <Value, Inner>(
  inner: Codec<Inner>,
  read: (inner: Inner) => Value,
  write: (value: Value) => Inner
): Codec<Value> => ({
  write: (out, value) => inner.write(out, write(value)),
  read: (from) => read(inner.read(from))
})
