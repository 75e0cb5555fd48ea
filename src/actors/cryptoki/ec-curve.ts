/** The curves we sign with, by what a token and a public key call them. Source: RFC 5480, 2.1.1.1; SEC 1, 2.3.3. */

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

/** Undefined for a curve we do not know, also when its parameters are spelled out instead of named. */
export const curveOf = (ecParams: Uint8Array | undefined): EcCurve | undefined =>
  ecParams && [p256, p384, p521].find(({ oid }) => Buffer.compare(oid, ecParams) === 0)

/** CKA_EC_POINT as an uncompressed point: the standard wraps it into an OCTET STRING, some tokens do not. */
export const pointOf = (ecPoint: Uint8Array, { size }: EcCurve): Uint8Array | undefined => {
  const length = 1 + 2 * size
  const point = ecPoint.subarray(ecPoint.length - length)
  const wrapper = ecPoint.subarray(0, ecPoint.length - length)
  const header = length < 128 ? [0x04, length] : [0x04, 0x81, length]
  const wrapped = Buffer.compare(wrapper, Uint8Array.from(header)) === 0
  return ecPoint.length >= length && (wrapper.length === 0 || wrapped) && point[0] === 0x04 ? point : undefined
}
