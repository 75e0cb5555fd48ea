/** From when to when the device certificate is valid. Issuers in the same file have dates of their own. */
import { X509Certificate } from "node:crypto"
import { readFileSync } from "node:fs"
import { Effect } from "effect"
import { CredentialUnusable } from "../../messages/mqtt.ts"
import { pemCertificates } from "../../platform/tls-certificates.ts"

export const certificateDates = (
  path: string,
  deviceId: string
): Effect.Effect<{ readonly notBefore: Date; readonly notAfter: Date }, CredentialUnusable> =>
  Effect.try({ try: () => readFileSync(path, "utf8"), catch: (error) => unusable(path, error) }).pipe(
    Effect.flatMap((text) =>
      Effect.try({ try: () => certificates(text), catch: (error) => unusable(path, error) }).pipe(
        Effect.flatMap((all) => {
          const leaf = all.find((one) => commonName(one) === deviceId) ?? all[0]
          return leaf === undefined
            ? Effect.fail(noCertificate(path, text))
            : Effect.succeed({ notBefore: new Date(leaf.validFrom), notAfter: new Date(leaf.validTo) })
        })
      )
    )
  )

const certificates = (text: string): ReadonlyArray<X509Certificate> =>
  pemCertificates(text).map((der) => new X509Certificate(der))

/** 30 82: a DER sequence longer than 127 bytes, as it looks when read as text. */
const noCertificate = (path: string, text: string): CredentialUnusable =>
  text.startsWith("0\ufffd")
    ? new CredentialUnusable({ path, role: "certificate", reason: "der", detail: "" })
    : new CredentialUnusable({ path, role: "certificate", reason: "malformed", detail: "no certificate in it" })

const commonName = (certificate: X509Certificate): string | undefined => /^CN=(.*)$/m.exec(certificate.subject)?.[1]

const unusable = (path: string, error: unknown): CredentialUnusable => {
  const code = error instanceof Error && "code" in error ? String(error.code) : String(error)
  const reasons: Readonly<Record<string, CredentialUnusable["reason"]>> = {
    ENOENT: "missing",
    ENOTDIR: "missing",
    EACCES: "noPermission",
    EISDIR: "isDirectory"
  }
  return new CredentialUnusable({ path, role: "certificate", reason: reasons[code] ?? "malformed", detail: code })
}
