/**
 * Public keys in the format of the signing service's protocol, and in the standard one.
 *
 * On the wire a PEM labelled `PUBLIC KEY` contains the bare EC point or the PKCS#1 RSAPublicKey, as deployed clients
 * expect. Here, and in files, a public key is a SubjectPublicKeyInfo (RFC 5280, 4.1.2.7). The two are distinguished
 * by their first bytes, so a peer that sends the standard form is understood as well.
 */

/** The wire's PEM of a SubjectPublicKeyInfo; undefined if it is not one. */
export const wirePem = (spki: Uint8Array): string | undefined => {
  const key = bareKey(spki)
  if (key === undefined) return undefined
  const lines =
    Buffer.from(key)
      .toString("base64")
      .match(/.{1,64}/g) ?? []
  return [begin, ...lines, end, ""].join("\n")
}

/** The SubjectPublicKeyInfo of a PEM from the wire; undefined if it contains no supported key. */
export const publicKeyOfWirePem = (pem: string): Uint8Array | undefined => {
  const start = pem.indexOf(begin)
  const stop = pem.indexOf(end)
  if (start < 0 || stop < start) return undefined
  const text = pem.slice(start + begin.length, stop).replace(/\s/g, "")
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(text)) return undefined
  const bytes = Uint8Array.from(Buffer.from(text, "base64"))
  if (bareKey(bytes) !== undefined) return bytes
  const curve = bytes[0] === 0x04 ? curves[bytes.length] : undefined
  if (curve !== undefined) return publicKeyInfo(concat(idEcPublicKey, curve), bytes)
  return isRsaPublicKey(bytes) ? publicKeyInfo(concat(rsaEncryption, derNull), bytes) : undefined
}

const begin = "-----BEGIN PUBLIC KEY-----"
const end = "-----END PUBLIC KEY-----"

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "hex"))
const concat = (...parts: ReadonlyArray<Uint8Array>): Uint8Array => Uint8Array.from(Buffer.concat(parts))

const idEcPublicKey = hex("06072a8648ce3d0201")
const rsaEncryption = hex("06092a864886f70d010101")
const derNull = hex("0500")
/** Named curve by the length of an uncompressed point (RFC 5480, 2.1.1.1). */
const curves: Readonly<Record<number, Uint8Array>> = {
  65: hex("06082a8648ce3d030107"),
  97: hex("06052b81040022"),
  133: hex("06052b81040023")
}

const sequenceTag = 0x30
const integerTag = 0x02
const bitStringTag = 0x03

interface Element {
  readonly tag: number
  readonly content: Uint8Array
}

/** The DER elements of `bytes`; undefined if they do not fill it exactly. Lengths up to 64 KiB. */
const elements = (bytes: Uint8Array): ReadonlyArray<Element> | undefined => {
  const found: Array<Element> = []
  for (let at = 0; at < bytes.length; ) {
    const [tag, first] = [bytes[at] ?? 0, bytes[at + 1]]
    if (first === undefined) return undefined
    const lengthBytes = first < 0x80 ? 0 : first & 0x7f
    if (lengthBytes > 2) return undefined
    const start = at + 2 + lengthBytes
    const length =
      lengthBytes === 0 ? first : Number.parseInt(Buffer.from(bytes.slice(at + 2, start)).toString("hex"), 16)
    if (!(start + length <= bytes.length)) return undefined
    found.push({ tag, content: bytes.slice(start, start + length) })
    at = start + length
  }
  return found
}

/** The elements of the only SEQUENCE in `bytes`. */
const sequenceOf = (bytes: Uint8Array): ReadonlyArray<Element> | undefined => {
  const [outer, ...more] = elements(bytes) ?? []
  return outer?.tag === sequenceTag && more.length === 0 ? elements(outer.content) : undefined
}

/** The content of the BIT STRING of a SubjectPublicKeyInfo. */
const bareKey = (spki: Uint8Array): Uint8Array | undefined => {
  const [algorithm, key, ...more] = sequenceOf(spki) ?? []
  const isInfo = algorithm?.tag === sequenceTag && key?.tag === bitStringTag && more.length === 0
  return isInfo && key.content[0] === 0 ? key.content.slice(1) : undefined
}

const isRsaPublicKey = (bytes: Uint8Array): boolean => {
  const parts = sequenceOf(bytes) ?? []
  return parts.length === 2 && parts.every((part) => part.tag === integerTag)
}

const publicKeyInfo = (algorithm: Uint8Array, key: Uint8Array): Uint8Array =>
  tagged(sequenceTag, concat(tagged(sequenceTag, algorithm), tagged(bitStringTag, concat(Uint8Array.of(0), key))))

const tagged = (tag: number, content: Uint8Array): Uint8Array => {
  const { length } = content
  const header =
    length < 0x80 ? [tag, length] : length < 0x100 ? [tag, 0x81, length] : [tag, 0x82, length >> 8, length & 0xff]
  return concat(Uint8Array.from(header), content)
}
