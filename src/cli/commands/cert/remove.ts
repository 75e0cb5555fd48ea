/** `tedge cert remove`: certificate, pending certificate, key file. A key in a token stays. */
import { Effect } from "effect"
import { exitCodes } from "../../command-line/exit-codes.ts"
import type { TokenCommand } from "../hsm/token-command.ts"
import { readCertSettings } from "./cert-command.ts"
import { pendingPath, removeFile } from "./certificate-files.ts"

export const removeCertificate: TokenCommand = (context) =>
  Effect.gen(function* () {
    const { terminal } = context
    const { device, usesToken } = yield* readCertSettings(context)
    const paths = [device.certPath, pendingPath(device.certPath), ...(usesToken ? [] : [device.keyPath])]
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
