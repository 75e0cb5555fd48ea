/** The validity of the device certificate. Issuers in the same file have their own dates. */
import { X509Certificate } from "node:crypto"
import { Effect } from "effect"
import { CredentialUnusable } from "../../messages/mqtt.ts"
import { readRegularText } from "../../platform/files/read-file.ts"
import { codeOf, fileFault } from "../../platform/process/error-code.ts"
import { deviceCertificate, pemCertificates } from "../../platform/tls/device-certificate.ts"

export const certificateDates = (
  path: string
): Effect.Effect<{ readonly notBefore: Date; readonly notAfter: Date }, CredentialUnusable> =>
  Effect.try({ try: () => readRegularText(path), catch: (error) => unusable(path, error) }).pipe(
    Effect.flatMap((text) =>
      Effect.try({
        try: () => pemCertificates(text).map((der) => new X509Certificate(der)),
        catch: (error) => unusable(path, error)
      }).pipe(
        Effect.flatMap((all) => {
          const leaf = deviceCertificate(all)
          return leaf === undefined
            ? Effect.fail(
                all.length === 0
                  ? noCertificate(path, text)
                  : new CredentialUnusable({ path, role: "certificate", reason: "ambiguous", detail: "" })
              )
            : Effect.succeed({ notBefore: new Date(leaf.validFrom), notAfter: new Date(leaf.validTo) })
        })
      )
    )
  )

/** 30 82: a DER sequence longer than 127 bytes, as it looks when read as text. */
const noCertificate = (path: string, text: string): CredentialUnusable =>
  text.startsWith("0\ufffd")
    ? new CredentialUnusable({ path, role: "certificate", reason: "der", detail: "" })
    : new CredentialUnusable({ path, role: "certificate", reason: "malformed", detail: "no certificate in it" })

const unusable = (path: string, error: unknown): CredentialUnusable => {
  const code = codeOf(error)
  return new CredentialUnusable({ path, role: "certificate", reason: fileFault(code) ?? "malformed", detail: code })
}
