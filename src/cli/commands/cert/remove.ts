/** `tedge cert remove`: certificate, pending certificate, key file. A key in a token is kept. */
import { Effect } from "effect"
import { pendingPath } from "../../../messages/certificate.ts"
import { exitCodes } from "../../command-line/exit-codes.ts"
import type { TokenCommand } from "../hsm/token-command.ts"
import { readCertificatePlace } from "./cert-command.ts"
import { removeFile } from "./certificate-files.ts"

export const removeCertificate: TokenCommand = (context) =>
  Effect.gen(function* () {
    const { terminal } = context
    const { certPath, keyPath, usesToken } = yield* readCertificatePlace(context)
    const paths = [certPath, pendingPath(certPath), ...(usesToken ? [] : [keyPath])]
    let removed = 0
    for (const path of paths)
      if (yield* removeFile(path)) {
        removed += 1
        yield* terminal.line(`Removed ${path}`)
      }
    yield* terminal.line(removed === 0 ? "There is no certificate to remove" : "Certificate was successfully removed")
    if (usesToken) yield* terminal.line("The key in the token was kept: tedge hsm delete-key removes it")
    return exitCodes.ok
  })
