/** Verifies a certificate issued by a CA before it is saved. */
import { X509Certificate } from "node:crypto"
import { Effect } from "effect"
import { EnrolmentResponseInvalid } from "../../../messages/certificate.ts"
import { deviceCertificate } from "../../../platform/tls/device-certificate.ts"
import { belongsTo } from "./cert-command.ts"
import type { CloudHttp } from "./cumulocity-http.ts"
import type { DeviceKey } from "./device-key.ts"

/** The device's own certificate, which must match the key. */
export const leafFor = (
  found: ReadonlyArray<string>,
  key: DeviceKey,
  { origin }: CloudHttp
): Effect.Effect<X509Certificate, EnrolmentResponseInvalid> => {
  if (!found.every(isX509)) return Effect.fail(new EnrolmentResponseInvalid({ url: origin, reason: "notPkcs7" }))
  const leaf = deviceCertificate(found.map((pem) => new X509Certificate(pem)))
  if (leaf === undefined) return Effect.fail(new EnrolmentResponseInvalid({ url: origin, reason: "noCertificate" }))
  return belongsTo(leaf, key)
    ? Effect.succeed(leaf)
    : Effect.fail(new EnrolmentResponseInvalid({ url: origin, reason: "otherKey" }))
}

const isX509 = (pem: string): boolean => {
  try {
    return new X509Certificate(pem).raw.length > 0
  } catch {
    return false
  }
}
