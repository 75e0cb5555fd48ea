/**
 * The certificates of a PEM file, and which of them is the device's.
 *
 * Independent of the order in the file and of any key, so that every part of the product chooses the same certificate.
 * This file does not load node:crypto, which would slow down reading settings.
 */
import type { X509Certificate } from "node:crypto"
import { certificateBlocks } from "./pem-blocks.ts"

/** The DER of every certificate in a PEM text; other text and other PEM blocks are skipped. */
export const pemCertificates = (pem: string): ReadonlyArray<Buffer> =>
  certificateBlocks(pem).map(({ certificate }) => certificate)

/**
 * The only certificate that issued no other, by names; of several such the only one that is not a CA's.
 * Undefined: none, or ambiguous.
 */
export const deviceCertificate = (certificates: ReadonlyArray<X509Certificate>): X509Certificate | undefined => {
  const [first, ...others] = certificates
  if (others.length === 0) return first
  const distinct = certificates.filter((one, at) => certificates.findIndex(({ raw }) => raw.equals(one.raw)) === at)
  const leaves = distinct.filter((one) => !distinct.some((other) => other !== one && other.issuer === one.subject))
  return only(leaves) ?? only((leaves.length === 0 ? distinct : leaves).filter(({ ca }) => !ca))
}

/**
 * The last of several common names is the most specific (RFC 4514, 2.1).
 *
 * Read from Node's text, one RDN a line with the escapes of RFC 2253: Node 24 crashes while it makes an object of a
 * certificate whose key is on a curve that NIST did not name.
 */
export const commonNameOf = ({ subject }: X509Certificate): string | undefined => {
  const [, name] = [...(subject ?? "").matchAll(/(?:^|\n| \+ )CN=((?:\\.|(?! \+ )[^\\\n])*)/g)].at(-1) ?? []
  return name === undefined || name === ""
    ? undefined
    : name.replace(/\\(?:([0-9A-F]{2})|(.))/g, (_, hex, character) =>
        hex === undefined ? character : String.fromCharCode(Number.parseInt(hex, 16))
      )
}

const only = <A>(list: ReadonlyArray<A>): A | undefined => (list.length === 1 ? list[0] : undefined)
