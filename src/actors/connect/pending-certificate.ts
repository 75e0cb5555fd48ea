/**
 * Checks the pending renewed certificate beside the current one without the cloud.
 *
 * Before anything is changed: a certificate that cannot work must not interrupt the connection.
 */
import { existsSync } from "node:fs"
import { Effect } from "effect"
import { pendingPath } from "../../messages/certificate.ts"
import { CertificateNotValid, CertificateOfOtherDevice, type CloudSelector } from "../../messages/connect.ts"
import type { CredentialUnusable, KeyMismatch } from "../../messages/mqtt.ts"
import type { CloudSettings } from "../../messages/settings/resolved-settings.ts"
import { commonNameOf } from "../../platform/tls/device-certificate.ts"
import { certificateIn } from "../../platform/tls/tls-certificates.ts"
import { wallNow } from "../../runtime/primitives/wall-time.ts"
import { certificateDates } from "./certificate-dates.ts"
import type { FitsKey } from "./own-key.ts"

export type PendingCertificate =
  | { readonly kind: "none" }
  | { readonly kind: "usable"; readonly path: string }
  | {
      readonly kind: "unusable"
      readonly path: string
      readonly failure: CredentialUnusable | CertificateNotValid | CertificateOfOtherDevice | KeyMismatch
    }

export const examinePending = (settings: CloudSettings, fitsKey: FitsKey): Effect.Effect<PendingCertificate> => {
  const path = pendingPath(settings.cloud.device.certPath)
  if (!existsSync(path)) return Effect.succeed({ kind: "none" })
  return Effect.match(Effect.all([inItsTime(path, ofCloud(settings)), ofThisDevice(path, settings), fitsKey(path)]), {
    onFailure: (failure) => ({ kind: "unusable" as const, path, failure }),
    onSuccess: () => ({ kind: "usable" as const, path })
  })
}

/** Also for the current certificate. Fails if the file contains no certificate. */
export const inItsTime = (
  path: string,
  cloud?: CloudSelector
): Effect.Effect<void, CredentialUnusable | CertificateNotValid> =>
  Effect.gen(function* () {
    const { notBefore, notAfter } = yield* certificateDates(path)
    const now = yield* wallNow
    if (notAfter.getTime() < now)
      return yield* new CertificateNotValid({ path, reason: "expired", at: notAfter.toISOString(), cloud })
    if (notBefore.getTime() > now)
      return yield* new CertificateNotValid({ path, reason: "notYetValid", at: notBefore.toISOString(), cloud })
  })

/** As hints name it. */
export const ofCloud = ({ cloud }: CloudSettings): CloudSelector => ({ cloud: cloud.name, profile: cloud.profile })

/** The cloud would create another device for it. Not checked without an id. */
const ofThisDevice = (path: string, { cloud }: CloudSettings): Effect.Effect<void, CertificateOfOtherDevice> =>
  Effect.suspend(() => {
    const certificate = certificateIn(path)
    const name = certificate && commonNameOf(certificate)
    const deviceId = cloud.device.id
    return deviceId === undefined || name === deviceId
      ? Effect.void
      : Effect.fail(new CertificateOfOtherDevice({ path, name, deviceId }))
  })
