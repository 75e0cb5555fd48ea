/**
 * A SubjectPublicKeyInfo from what a token tells about a key.
 *
 * Source: RFC 5480, 2 (EC); RFC 8017, A.1.1 and RFC 3279, 2.3.1 (RSA).
 */
import { bitString, sequence, unsignedInteger } from "./der.ts"
import { curveOf, pointOf } from "./ec-curve.ts"
import type { HostKeyMaterial } from "./host-protocol.ts"

/** DER; undefined when the object does not tell enough. */
export const subjectPublicKeyInfo = (material: HostKeyMaterial): Uint8Array | undefined =>
  rsaKeyInfo(material) ?? ecKeyInfo(material)

const rsaKeyInfo = ({ modulus, exponent }: HostKeyMaterial): Uint8Array | undefined =>
  modulus === undefined || exponent === undefined || modulus.length === 0 || exponent.length === 0
    ? undefined
    : sequence(rsaEncryption, bitString(sequence(unsignedInteger(modulus), unsignedInteger(exponent))))

const ecKeyInfo = ({ curve: params, point }: HostKeyMaterial): Uint8Array | undefined => {
  const curve = curveOf(params)
  const uncompressed = curve && point && pointOf(point, curve)
  return curve && uncompressed && sequence(sequence(idEcPublicKey, curve.oid), bitString(uncompressed))
}

/** SEQUENCE { rsaEncryption, NULL } and the OID id-ecPublicKey. */
const rsaEncryption = Buffer.from("300d06092a864886f70d0101010500", "hex")
const idEcPublicKey = Buffer.from("06072a8648ce3d0201", "hex")
