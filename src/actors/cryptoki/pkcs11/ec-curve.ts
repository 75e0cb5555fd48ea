/** The supported curves, by their identifiers on tokens and in public keys. Source: RFC 5480, 2.1.1.1; SEC 1, 2.3.3. */
import { createECDH, createPublicKey, ECDH } from "node:crypto"
import { bitString, sequence } from "./der.ts"

export interface EcCurve {
  readonly name: "P-256" | "P-384" | "P-521"
  /** CKA_EC_PARAMS: the DER of the curve's OID. */
  readonly oid: Uint8Array
  /** Bytes of one coordinate, and of r and of s. */
  readonly size: number
  readonly digest: "sha256" | "sha384" | "sha512"
}

const curve = (name: EcCurve["name"], oid: string, size: number, digest: EcCurve["digest"]): EcCurve => ({
  name,
  oid: new Uint8Array(Buffer.from(oid, "hex")),
  size,
  digest
})

export const p256 = curve("P-256", "06082a8648ce3d030107", 32, "sha256")
export const p384 = curve("P-384", "06052b81040022", 48, "sha384")
export const p521 = curve("P-521", "06052b81040023", 66, "sha512")

/** By OID, or by explicit parameters (OpenSSL recognizes them). Undefined for an unknown curve. */
export const curveOf = (ecParams: Uint8Array | undefined): EcCurve | undefined =>
  ecParams && (curves.find(({ oid }) => Buffer.compare(oid, ecParams) === 0) ?? explicitCurve(ecParams))

/** By OpenSSL's name. */
export const curveNamed = (name: string | undefined): EcCurve | undefined =>
  curves.find((curve) => opensslName[curve.name] === name)

/**
 * CKA_EC_POINT as an uncompressed point. The standard wraps it into an OCTET STRING, some tokens do not; a compressed
 * point (SEC 1, 2.3.3) is expanded. Undefined: not a point of the curve's size.
 */
export const pointOf = (ecPoint: Uint8Array, curve: EcCurve): Uint8Array | undefined => {
  const uncompressed = unwrapped(ecPoint, 1 + 2 * curve.size)
  if (uncompressed?.[0] === 0x04) return uncompressed
  const compressed = unwrapped(ecPoint, 1 + curve.size)
  return compressed?.[0] === 0x02 || compressed?.[0] === 0x03 ? expanded(compressed, curve) : undefined
}

const curves: ReadonlyArray<EcCurve> = [p256, p384, p521]

const unwrapped = (ecPoint: Uint8Array, length: number): Uint8Array | undefined => {
  const point = ecPoint.subarray(ecPoint.length - length)
  const wrapper = ecPoint.subarray(0, ecPoint.length - length)
  const header = length < 128 ? [0x04, length] : [0x04, 0x81, length]
  const wrapped = Buffer.compare(wrapper, Uint8Array.from(header)) === 0
  return ecPoint.length >= length && (wrapper.length === 0 || wrapped) ? point : undefined
}

const expanded = (compressed: Uint8Array, { name }: EcCurve): Uint8Array | undefined => {
  try {
    const point = ECDH.convertKey(compressed, opensslName[name], undefined, undefined, "uncompressed")
    return typeof point === "string" ? undefined : new Uint8Array(point)
  } catch {
    // Not a point of this curve: the token does not report a usable one.
    return undefined
  }
}

const opensslName = { "P-256": "prime256v1", "P-384": "secp384r1", "P-521": "secp521r1" } as const

/** ECParameters of RFC 3279, 2.3.5 by their value: OpenSSL names the curve when its generator is the public point. */
const explicitCurve = (ecParams: Uint8Array): EcCurve | undefined => {
  if (ecParams[0] !== 0x30 || ecParams.length > longestParams) return undefined
  const text = Buffer.from(ecParams).toString("hex")
  const known = explicitCurves.get(text)
  if (known) return known
  const curve = curves.find((candidate) => namesCurve(ecParams, candidate))
  if (curve) explicitCurves.set(text, curve)
  return curve
}

const namesCurve = (ecParams: Uint8Array, { name }: EcCurve): boolean => {
  const one = createECDH(opensslName[name])
  one.setPrivateKey(Buffer.of(1))
  const info = sequence(sequence(idEcPublicKey, ecParams), bitString(one.getPublicKey()))
  try {
    const key = createPublicKey({ key: Buffer.from(info), format: "der", type: "spki" })
    return key.asymmetricKeyDetails?.namedCurve === opensslName[name]
  } catch {
    return false
  }
}

/** The longest explicit parameters (P-521 with seed and uncompressed generator) have 453 bytes. */
const longestParams = 1024
const explicitCurves = new Map<string, EcCurve>()

/** The OID id-ecPublicKey (RFC 5480, 2.1.1). */
export const idEcPublicKey = Buffer.from("06072a8648ce3d0201", "hex")
