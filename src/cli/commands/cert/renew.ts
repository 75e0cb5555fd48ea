/**
 * `tedge cert renew`: the new certificate is stored beside the current one until a connection with it succeeds.
 *
 * Self-signed certificates are renewed by the device, others by the cloud's CA (EST re-enrolment, RFC 7030, 4.2.2).
 */
import { X509Certificate } from "node:crypto"
import { Effect } from "effect"
import { NotSelfSigned, NotSupportedByCloud, pendingPath } from "../../../messages/certificate.ts"
import { cloudWords, trustHint } from "../../../messages/explain/cloud-hints.ts"
import { OptionsExclude } from "../../../messages/hsm.ts"
import { commonNameOf } from "../../../platform/tls/device-certificate.ts"
import { certificationRequest, type Subject, selfSignedCertificate } from "../../../platform/tls/x509.ts"
import { dateNow } from "../../../runtime/primitives/wall-time.ts"
import { exitCodes } from "../../command-line/exit-codes.ts"
import { whileWaiting } from "../../terminal/progress.ts"
import { askLimits, type CommandContext, type TokenCommand } from "../hsm/token-command.ts"
import {
  type CertSettings,
  certify,
  checkedName,
  presentKey,
  readCertSettings,
  subjectNamed,
  writeCertificate
} from "./cert-command.ts"
import { readCertificate } from "./certificate-files.ts"
import { certificateText } from "./certificate-text.ts"
import { givenRequest, keepRequest } from "./create-csr.ts"
import { cloudHttp, leafFor, reenrol } from "./cumulocity-http.ts"
import { withDeviceToken } from "./device-token.ts"

export const renewCertificate: TokenCommand = (context) =>
  Effect.gen(function* () {
    const { terminal, input } = context
    const of = yield* readCertSettings(context)
    const { certPath } = of.device
    const { device: present } = yield* readCertificate(certPath)
    const isSelfSigned = present.issuer === present.subject
    const csrPath = input.text("csr-path")
    // Someone else signs a request.
    const ca = input.text("ca") ?? (isSelfSigned && csrPath === undefined ? "self-signed" : "c8y")
    if (ca === "self-signed" && csrPath !== undefined)
      return yield* new OptionsExclude({ option: "--csr-path", other: "--ca self-signed" })
    if (ca === "self-signed" && !isSelfSigned) return yield* new NotSelfSigned({ path: certPath })
    // Same identity as before: the cloud identifies the device by it.
    const subject = subjectNamed(yield* checkedName(commonNameOf(present) ?? ""), of.settings)
    const renewed =
      ca === "self-signed" ? yield* signAgain(context, of, subject) : yield* enrolAgain(context, of, subject)
    const path = pendingPath(certPath)
    yield* writeCertificate(of, path, renewed.text)
    yield* terminal.line(`Certificate renewed successfully: ${path}`)
    const cloud = input.cloud && { name: input.cloud.cloud, profile: input.cloud.profile ?? undefined }
    if (ca === "self-signed") {
      // Without a cloud: the cloud that offers renewal.
      const upload = `tedge cert upload ${cloudWords(cloud ?? { name: "c8y", profile: undefined })}`
      const hint = cloud === undefined || cloud.name === "c8y" ? upload : trustHint(cloud)
      yield* terminal.line(`    the cloud does not know it yet: ${hint}`)
    }
    const words = cloud === undefined ? "" : ` ${cloudWords(cloud)}`
    yield* terminal.line(`    the new certificate is used after: tedge reconnect${words}`)
    const now = yield* dateNow
    yield* terminal.answer(certificateText(path, renewed.certificate, now, of.settings.certificate.minimumValidityMs))
    return exitCodes.ok
  })

const signAgain = (context: CommandContext, of: CertSettings, subject: Subject) =>
  Effect.gen(function* () {
    const key = yield* presentKey(context, of)
    const now = yield* dateNow
    const validity = of.settings.certificate.requestedValidityMs
    const text = yield* certify(context, key, selfSignedCertificate(subject, key.publicKey, key.scheme, now, validity))
    return { text, certificate: new X509Certificate(text) }
  })

const enrolAgain = (context: CommandContext, of: CertSettings, subject: Subject) =>
  Effect.gen(function* () {
    const selector = context.input.cloud ?? { cloud: "c8y" as const, profile: undefined }
    if (selector.cloud !== "c8y") return yield* new NotSupportedByCloud({ cloud: selector.cloud, service: "renewal" })
    const { settings } = yield* context.actors.config.ask("ReadCloudSettings", selector, { within: askLimits.read })
    const http = yield* cloudHttp(settings, undefined)
    const path = context.input.text("csr-path")
    const given = path === undefined ? undefined : yield* givenRequest(context, of, path)
    const key = given?.key ?? (yield* presentKey(context, of))
    // After the first access token: the key's token may require a touch per signature.
    const made = Effect.tap(
      certify(context, key, certificationRequest(subject, key.publicKey, key.scheme)),
      (request) => keepRequest(context, of, request)
    )
    const certified = yield* Effect.cached(given === undefined ? made : Effect.succeed(given.request))
    const found = yield* withDeviceToken(context, settings, (token) =>
      Effect.flatMap(certified, (request) =>
        whileWaiting(
          context.terminal,
          { title: `waiting for the certificate from ${http.origin}` },
          reenrol(http, request, token)
        )
      )
    )
    return { text: found.join(""), certificate: yield* leafFor(found, key, http) }
  })
