/** `tedge cert show` and `tedge cert needs-renewal`. */
import { Effect } from "effect"
import { pendingPath } from "../../../messages/certificate.ts"
import { dateNow } from "../../../runtime/primitives/wall-time.ts"
import { exitCodes } from "../../command-line/exit-codes.ts"
import type { TokenCommand } from "../hsm/token-command.ts"
import { readCertificatePlace } from "./cert-command.ts"
import { readCertificate } from "./certificate-files.ts"
import { certificateText, statusText, validityOf } from "./certificate-text.ts"

export const showCertificate: TokenCommand = (context) =>
  Effect.gen(function* () {
    const { certPath, minimumValidityMs } = yield* readCertificatePlace(context)
    const wanted = context.input.text("cert-path") ?? certPath
    const path = context.input.on("new") ? pendingPath(wanted) : wanted
    const { device: certificate } = yield* readCertificate(path)
    yield* context.terminal.answer(certificateText(path, certificate, yield* dateNow, minimumValidityMs))
    return exitCodes.ok
  })

/** Exit code 0: renewal needed. 1: not needed. 2: unknown; never reported as "not needed". */
export const needsRenewal: TokenCommand = (context) =>
  Effect.gen(function* () {
    const { certPath, minimumValidityMs: minimum } = yield* readCertificatePlace(context)
    const { device: certificate } = yield* readCertificate(context.input.text("cert-path") ?? certPath)
    const at = yield* dateNow
    yield* context.terminal.line(`Status: ${statusText(certificate, at, minimum)}`)
    switch (validityOf(certificate, at, minimum)) {
      case "expired":
      case "expiresSoon":
        return 0
      case "valid":
        return 1
      case "notYetValid":
        return 2
    }
  }).pipe(Effect.catch((failure) => Effect.as(context.terminal.failure(failure), exitCodes.usage)))
