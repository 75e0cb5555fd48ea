/** Facts of the device certificate for display. */
import type { CertificateFacts } from "../../messages/status/snapshot.ts"
import { certificateIn } from "../../platform/tls/tls-certificates.ts"

/** Undefined: unreadable; the connection reports why. `minimumValidityMs`: to be renewed this long before its end. */
export const certificateFacts = (
  path: string,
  key: CertificateFacts["key"],
  minimumValidityMs: number
): CertificateFacts | undefined => {
  try {
    const leaf = certificateIn(path)
    if (leaf === undefined) return undefined
    const until = Date.parse(leaf.validTo)
    return {
      path,
      subject: inOneLine(leaf.subject),
      issuer: inOneLine(leaf.issuer),
      key,
      valid_from: Date.parse(leaf.validFrom),
      valid_until: until,
      renew_from: until - minimumValidityMs
    }
  } catch {
    return undefined
  }
}

/** Node puts each part of a name on a line of its own. */
const inOneLine = (name: string): string => name.split("\n").join(", ")
