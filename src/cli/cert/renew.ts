/**
 * `tedge cert renew`: the new certificate waits beside the present one until a connection with it has succeeded.
 *
 * By the device itself when it signed the present one, else by the cloud's CA (EST re-enrolment, RFC 7030, 4.2.2).
 */
import { Clock, Effect } from "effect"
import { CloudWithoutService, EnrolmentGarbled, NotSelfSigned } from "../../messages/certificate.ts"
import { certificationRequest, selfSignedCertificate } from "../../platform/x509.ts"
import { exitCodes } from "../exit-codes.ts"
import { askLimits, type CommandContext, type TokenCommand } from "../hsm/token-command.ts"
import {
  belongsTo,
  type CertSettings,
  pendingPath,
  presentKey,
  readCertificate,
  readCertSettings,
  writeCertificate
} from "./cert-command.ts"
import { certificateText } from "./certificate-text.ts"
import { cloudHttp, reenrol } from "./cumulocity-http.ts"
import { deviceToken } from "./device-token.ts"

export const renewCertificate: TokenCommand = (context) =>
  Effect.gen(function* () {
    const { terminal, input } = context
    const of = yield* readCertSettings(context)
    const { certPath } = of.device
    const { first } = yield* readCertificate(certPath)
    const isSelfSigned = first.issuer === first.subject
    const ca = input.text("ca") ?? (isSelfSigned ? "self-signed" : "c8y")
    if (ca === "self-signed" && !isSelfSigned) return yield* new NotSelfSigned({ path: certPath })
    const subject = yield* subjectOf(context, of, first.subject)
    const renewed =
      ca === "self-signed" ? yield* signAnew(context, of, subject) : yield* enrolAnew(context, of, subject)
    const path = pendingPath(certPath)
    yield* writeCertificate(of, path, renewed)
    yield* terminal.line("Certificate renewed successfully")
    yield* terminal.line("    the new certificate is used after: tedge reconnect")
    const now = new Date(yield* Clock.currentTimeMillis)
    yield* terminal.answer(certificateText(path, renewed, now, of.settings.certificate.minimumValidityMs))
    return exitCodes.ok
  })

/** The same identity as before: it is what the cloud knows the device by. */
const subjectOf = (_context: CommandContext, { settings }: CertSettings, present: string) => {
  const commonName = /^CN=(.*)$/m.exec(present)?.[1] ?? ""
  const { organization, organizationUnit } = settings.certificate
  return Effect.succeed({ commonName, organization, organizationUnit })
}

type Subject = Effect.Success<ReturnType<typeof subjectOf>>

const signAnew = (context: CommandContext, of: CertSettings, subject: Subject) =>
  Effect.gen(function* () {
    const key = yield* presentKey(context, of)
    const now = new Date(yield* Clock.currentTimeMillis)
    const validity = of.settings.certificate.requestedValidityMs
    return yield* key.certify(selfSignedCertificate(subject, key.publicKey, key.scheme, now, validity))
  })

const enrolAnew = (context: CommandContext, of: CertSettings, subject: Subject) =>
  Effect.gen(function* () {
    const selector = context.input.cloud ?? { cloud: "c8y" as const, profile: undefined }
    if (selector.cloud !== "c8y") return yield* new CloudWithoutService({ cloud: selector.cloud, service: "renewal" })
    const { settings } = yield* context.actors.config.ask("ReadCloudSettings", selector, { within: askLimits.read })
    const http = yield* cloudHttp(settings, undefined)
    const key = yield* presentKey(context, of)
    const request = yield* key.certify(certificationRequest(subject, key.publicKey, key.scheme))
    const token = yield* deviceToken(context, settings)
    const found = yield* reenrol(http, request, token)
    const [leaf] = found
    if (leaf === undefined || !belongsTo(leaf, key))
      return yield* new EnrolmentGarbled({
        url: http.origin,
        reason: leaf === undefined ? "noCertificate" : "otherKey"
      })
    return found.join("")
  })
