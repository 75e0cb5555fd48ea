/** `tedge cert create`: a self-signed certificate, for the key in the token or for a new key file. */
import { X509Certificate } from "node:crypto"
import { rmSync } from "node:fs"
import { Effect } from "effect"
import { FileExists } from "../../../messages/certificate.ts"
import { selfSignedCertificate } from "../../../platform/tls/x509.ts"
import { dateNow } from "../../../runtime/primitives/wall-time.ts"
import { exitCodes } from "../../command-line/exit-codes.ts"
import type { TokenCommand } from "../hsm/token-command.ts"
import { certify, readCertSettings, refuseSameFile, subjectFor, writeCertificate } from "./cert-command.ts"
import { isTaken } from "./certificate-files.ts"
import { certificateText } from "./certificate-text.ts"
import { newFileKey, tokenKey } from "./device-key.ts"

export const createCertificate: TokenCommand = (context) =>
  Effect.gen(function* () {
    const { terminal } = context
    const of = yield* readCertSettings(context)
    const subject = yield* subjectFor(context, of)
    const { certPath, keyPath } = of.device
    if (isTaken(certPath)) return yield* new FileExists({ path: certPath, role: "certificate" })
    if (!of.usesToken) yield* refuseSameFile(of, { path: certPath, name: `${of.prefix}cert_path` })
    const key = yield* of.usesToken
      ? tokenKey(context.actors.cryptoki, of.device.key)
      : newFileKey(of.settings.configDir, of.device.keyPath)
    const now = yield* dateNow
    const validity = of.settings.certificate.requestedValidityMs
    const content = yield* certify(
      context,
      key,
      selfSignedCertificate(subject, key.publicKey, key.scheme, now, validity)
    ).pipe(
      Effect.tap((pem) => writeCertificate(of, certPath, pem)),
      // A key file without a certificate would make the next attempt fail.
      Effect.onError(() => Effect.sync(() => void (of.usesToken || rmSync(keyPath, { force: true }))))
    )
    yield* terminal.line("Certificate created successfully")
    yield* terminal.line(`    certificate: ${certPath}`)
    yield* terminal.line(`    key: ${of.usesToken ? "in the token" : keyPath}`)
    yield* terminal.answer(
      certificateText(certPath, new X509Certificate(content), now, of.settings.certificate.minimumValidityMs)
    )
    return exitCodes.ok
  })
