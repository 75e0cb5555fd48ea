/** The PIV application of the virtual card: SELECT, GET DATA, VERIFY, GENERAL AUTHENTICATE (NIST SP 800-73-4, part 2). */
import { execFileSync } from "node:child_process"
import { constants, type KeyObject, privateDecrypt } from "node:crypto"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { makeTempDir, removeTempDir } from "../temp-dir.ts"

export interface PivKey {
  /** 0x9a: authentication. 0x9c: signature, which wants the PIN each time. */
  readonly slot: 0x9a | 0x9c
  readonly privateKey: KeyObject
  readonly certificateDer: Buffer
}

export interface PivCardOptions {
  readonly pin: string
  readonly keys: ReadonlyArray<PivKey>
}

/** Answers APDUs, with the state of one card. */
export const pivCard = ({ pin, keys }: PivCardOptions): ((apdu: Buffer) => Buffer) => {
  let pending = Buffer.alloc(0)
  let chained = Buffer.alloc(0)
  let verified = false
  /** The PIN came after the last signature. */
  let fresh = false
  let tries = 3
  const verify = (data: Buffer): Buffer => {
    if (data.length === 0) return verified ? word(0x9000) : word(0x63c0 + tries)
    if (tries === 0) return word(0x6983)
    verified = data.equals(Buffer.from(pin.padEnd(8, "\xff"), "latin1"))
    fresh = verified
    tries = verified ? 3 : tries - 1
    return verified ? word(0x9000) : word(0x63c0 + tries)
  }
  const signed = (slot: number | undefined, data: Buffer): Buffer => {
    const key = keys.find((one) => one.slot === slot)
    if (key === undefined) return word(0x6a88)
    if (!verified || (slot === 0x9c && !fresh)) return word(0x6982)
    fresh = false
    const input = contentOf(contentOf(data, 0x7c), 0x81)
    const answer = tagged(0x7c, tagged(0x82, rawSignature(key.privateKey, input)))
    return Buffer.concat([answer, word(0x9000)])
  }
  const answerTo = (ins: number | undefined, p2: number | undefined, data: Buffer): Buffer => {
    switch (ins) {
      case 0xa4:
        return data.subarray(0, 5).equals(pivAid.subarray(0, 5))
          ? Buffer.concat([selected, word(0x9000)])
          : word(0x6a82)
      case 0xcb:
        return objectOf(contentOf(data, 0x5c).toString("hex"), keys)
      case 0x20:
        return verify(data)
      case 0x87:
        return signed(p2, data)
      case 0xfd:
        return Buffer.concat([version, word(0x9000)])
      default:
        return word(0x6d00)
    }
  }
  /** At most 256 bytes at a time; the rest is fetched by GET RESPONSE (ISO 7816-4). */
  const inPieces = (answer: Buffer, atMost = 256): Buffer => {
    const data = answer.subarray(0, -2)
    if (data.length <= atMost) return answer
    pending = Buffer.from(data.subarray(atMost))
    return Buffer.concat([data.subarray(0, atMost), word(0x6100 + Math.min(pending.length, 255))])
  }
  return (apdu) => {
    const [cla = 0, ins, , p2] = apdu
    if (ins === 0xc0) return inPieces(Buffer.concat([pending, word(0x9000)]), apdu[4] || 256)
    chained = Buffer.concat([chained, dataOf(apdu)])
    if (cla & 0x10) return word(0x9000)
    const data = chained
    chained = Buffer.alloc(0)
    return inPieces(answerTo(ins, p2, data))
  }
}

const word = (status: number): Buffer => Buffer.of(status >> 8, status & 0xff)

const tagged = (tag: number | Buffer, value: Buffer): Buffer => {
  const name = typeof tag === "number" ? Buffer.of(tag) : tag
  const { length } = value
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([name, Buffer.from(size), value])
}

/** Content of the first field with this tag of one byte; empty when it is not there. */
const contentOf = (data: Buffer, tag: number): Buffer => {
  let at = 0
  while (at < data.length) {
    const first = data[at + 1] ?? 0
    const sizeBytes = first < 128 ? 0 : first - 128
    const length = sizeBytes === 0 ? first : data.readUIntBE(at + 2, sizeBytes)
    const start = at + 2 + sizeBytes
    if (data[at] === tag) return data.subarray(start, start + length)
    at = start + length
  }
  return Buffer.alloc(0)
}

/** Short and extended length (ISO 7816-4, 5.1). */
const dataOf = (apdu: Buffer): Buffer => {
  if (apdu.length <= 5) return Buffer.alloc(0)
  if (apdu[4] === 0 && apdu.length > 7) return apdu.subarray(7, 7 + apdu.readUInt16BE(5))
  return apdu.subarray(5, 5 + (apdu[4] ?? 0))
}

/** Of a YubiKey's firmware; only YubiKeys have this command. */
const version = Buffer.of(5, 4, 3)
const pivAid = Buffer.from("a000000308000010000100", "hex")
const selected = tagged(
  0x61,
  Buffer.concat([tagged(0x4f, pivAid.subarray(5)), tagged(0x79, tagged(0x4f, pivAid.subarray(0, 5)))])
)

/** Objects by the tag GET DATA names; what is not there is not found. */
const objectOf = (tag: string, keys: ReadonlyArray<PivKey>): Buffer => {
  const slot = { "5fc105": 0x9a, "5fc10a": 0x9c }[tag]
  const key = keys.find((one) => one.slot === slot)
  if (key !== undefined) {
    const content = [tagged(0x70, key.certificateDer), tagged(0x71, Buffer.of(0)), tagged(0xfe, Buffer.alloc(0))]
    return Buffer.concat([tagged(0x53, Buffer.concat(content)), word(0x9000)])
  }
  return tag === "5fc102" ? Buffer.concat([tagged(0x53, cardHolder), word(0x9000)]) : word(0x6a82)
}

/** CHUID: FASC-N, GUID, expiry, no signature. */
const cardHolder = Buffer.concat([
  tagged(0x30, Buffer.from("d4e739da739ced39ce739d836858210842108421c84210c3eb", "hex")),
  tagged(0x34, Buffer.from("00112233445566778899aabbccddeeff", "hex")),
  tagged(0x35, Buffer.from("20991231")),
  tagged(0x3e, Buffer.alloc(0)),
  tagged(0xfe, Buffer.alloc(0))
])

/** RSA: what was padded by the module, to the power of the private exponent. EC: Ecdsa-Sig-Value over the digest. */
const rawSignature = (key: KeyObject, input: Buffer): Buffer =>
  key.asymmetricKeyType === "rsa"
    ? privateDecrypt({ key, padding: constants.RSA_NO_PADDING }, input)
    : ecdsaOverDigest(key, input)

/** Node would hash the digest once more; openssl does not. */
const ecdsaOverDigest = (key: KeyObject, digest: Buffer): Buffer => {
  const dir = makeTempDir()
  try {
    const file = join(dir, "key.pem")
    writeFileSync(file, key.export({ type: "pkcs8", format: "pem" }), { mode: 0o600 })
    return execFileSync("openssl", ["pkeyutl", "-sign", "-inkey", file], { input: digest })
  } finally {
    removeTempDir(dir)
  }
}
