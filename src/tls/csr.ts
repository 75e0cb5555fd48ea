/** Certification requests signed with an external key. Source: RFC 2986 (PKCS#10), RFC 5280, RFC 2985 5.4.2. */
import { isIP } from "node:net"
import {
  publicKeyOf,
  type SignatureScheme,
  type SigningKey,
  type SignOptions,
  schemesFor,
  verifiedSignature
} from "./key.ts"
import { invalidOption, TokenError } from "./token-error.ts"

export interface CsrOptions extends SignOptions {
  /** `{ CN: "device-1", O: "Example" }`: short names of X.520, encoded in this order. */
  readonly subject: Readonly<Partial<Record<SubjectField, string>>>
  /** subjectAltName: DNS names, IP addresses, and URIs, distinguished by their syntax. */
  readonly altNames?: ReadonlyArray<string> | undefined
}

export type SubjectField = "CN" | "O" | "OU" | "C" | "ST" | "L" | "serialNumber"

/** Returns a PKCS#10 request in PEM. Rejects with a TokenError. */
export const createCsr = async (key: SigningKey, options: CsrOptions): Promise<string> => {
  const publicKey = publicKeyOf(key)
  const scheme = schemesFor(publicKey).find((one) => one in algorithms)
  const algorithm = scheme && algorithms[scheme]
  if (scheme === undefined || algorithm === undefined)
    throw new TokenError("ERR_SCHEME_NOT_SUPPORTED", "the key does not sign certification requests")
  const info = sequence(
    tlv(0x02, Buffer.of(0)),
    subjectName(options?.subject),
    publicKey.export({ type: "spki", format: "der" }),
    tlv(0xa0, ...attributes(options.altNames ?? []))
  )
  const signature = await verifiedSignature(key, scheme, info, options)
  return pem(sequence(info, sequence(...algorithm), tlv(0x03, Buffer.of(0), signature)))
}

const tlv = (tag: number, ...parts: ReadonlyArray<Buffer>): Buffer => {
  const content = Buffer.concat(parts)
  const { length } = content
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.of(tag, ...size), content])
}

const sequence = (...parts: ReadonlyArray<Buffer>): Buffer => tlv(0x30, ...parts)
const oid = (hex: string): Buffer => tlv(0x06, Buffer.from(hex, "hex"))

/** SignatureAlgorithm (RFC 5758, 3.2; RFC 4055, 5). PKCS#1 for RSA: not every CA takes PSS. */
const algorithms: Readonly<Partial<Record<SignatureScheme, ReadonlyArray<Buffer>>>> = {
  ecdsa_secp256r1_sha256: [oid("2a8648ce3d040302")],
  ecdsa_secp384r1_sha384: [oid("2a8648ce3d040303")],
  ecdsa_secp521r1_sha512: [oid("2a8648ce3d040304")],
  rsa_pkcs1_sha256: [oid("2a864886f70d01010b"), tlv(0x05)],
  ed25519: [oid("2b6570")]
}

const subjectName = (subject: CsrOptions["subject"] | undefined): Buffer => {
  const fields = Object.entries(subject ?? {}).filter(([, value]) => value !== undefined)
  if (fields.length === 0) throw invalidOption("createCsr needs a subject: { CN: … }")
  return sequence(...fields.map(([name, value]) => tlv(0x31, sequence(oid(fieldOid(name)), fieldText(name, value)))))
}

const fieldOid = (name: string): string => {
  const found = Object.hasOwn(fieldOids, name) ? fieldOids[name as SubjectField] : undefined
  if (found === undefined) throw invalidOption(`'${name}' is no subject field: ${Object.keys(fieldOids).join(", ")}`)
  return found
}

const fieldOids: Readonly<Record<SubjectField, string>> = {
  CN: "550403",
  serialNumber: "550405",
  C: "550406",
  L: "550407",
  ST: "550408",
  O: "55040a",
  OU: "55040b"
}

/** Country and serial number are PrintableString, the rest UTF8String (RFC 5280, appendix A). */
const fieldText = (name: string, value: string): Buffer => {
  const isPrintable = name === "C" || name === "serialNumber"
  if (typeof value !== "string" || value === "" || (isPrintable && !/^[A-Za-z0-9 '()+,\-./:=?]+$/.test(value)))
    throw invalidOption(`the subject's ${name} cannot be written`)
  return tlv(isPrintable ? 0x13 : 0x0c, Buffer.from(value))
}

const attributes = (altNames: ReadonlyArray<string>): ReadonlyArray<Buffer> => {
  if (altNames.length === 0) return []
  const names = tlv(0x04, sequence(...altNames.map(generalName)))
  const extensions = sequence(sequence(oid("551d11"), names))
  return [sequence(oid("2a864886f70d01090e"), tlv(0x31, extensions))]
}

/** RFC 5280, 4.2.1.6. */
const generalName = (name: string): Buffer => {
  if (isIP(name) !== 0) return tlv(0x87, addressBytes(name))
  if (/^[a-z][a-z0-9+.-]*:/i.test(name)) return tlv(0x86, Buffer.from(name, "latin1"))
  return tlv(name.includes("@") ? 0x81 : 0x82, Buffer.from(name, "latin1"))
}

const addressBytes = (address: string): Buffer => {
  if (isIP(address) === 4) return Buffer.from(address.split(".").map(Number))
  // URL prints every IPv6 address without an embedded IPv4 one.
  const [head = "", tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split("::")
  const groups = (text: string | undefined) => (text ? text.split(":") : [])
  const missing = tail === undefined ? 0 : 8 - groups(head).length - groups(tail).length
  const all = [...groups(head), ...Array<string>(missing).fill("0"), ...groups(tail)]
  return Buffer.from(all.map((group) => group.padStart(4, "0")).join(""), "hex")
}

const pem = (der: Buffer): string =>
  `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString("base64").replace(/.{64}(?=.)/g, "$&\n")}\n-----END CERTIFICATE REQUEST-----\n`
