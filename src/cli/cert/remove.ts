/** `tedge cert remove`: certificate, pending certificate, key file. A key in a token stays. */
import { rmSync } from "node:fs"
import { Effect } from "effect"
import { FileNotWritten } from "../../messages/connect.ts"
import { exitCodes } from "../exit-codes.ts"
import type { TokenCommand } from "../hsm/token-command.ts"
import { pendingPath, readCertSettings } from "./cert-command.ts"

export const removeCertificate: TokenCommand = (context) =>
  Effect.gen(function* () {
    const { terminal } = context
    const { device, usesToken } = yield* readCertSettings(context)
    const paths = [device.certPath, pendingPath(device.certPath), ...(usesToken ? [] : [device.keyPath])]
    const removed = yield* Effect.filter(paths, remove)
    for (const path of removed) yield* terminal.line(`Removed ${path}`)
    if (removed.length === 0) yield* terminal.line("There is no certificate to remove")
    else yield* terminal.line("Certificate was successfully removed")
    if (usesToken) yield* terminal.line("The key in the token was left alone: tedge hsm delete-key removes it")
    return exitCodes.ok
  })

/** Whether there was a file. */
const remove = (path: string): Effect.Effect<boolean, FileNotWritten> =>
  Effect.suspend(() => {
    try {
      rmSync(path)
      return Effect.succeed(true)
    } catch (cause) {
      const code = (cause as NodeJS.ErrnoException).code ?? "unknown"
      return code === "ENOENT" ? Effect.succeed(false) : Effect.fail(new FileNotWritten({ path, code }))
    }
  })
