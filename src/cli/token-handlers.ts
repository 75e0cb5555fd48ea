/** The commands of `tedge hsm` and `tedge cert` as the command line calls them. */
import { Effect } from "effect"
import { createCertificate } from "./cert/create.ts"
import { createCsr } from "./cert/create-csr.ts"
import { downloadCertificate } from "./cert/download.ts"
import { removeCertificate } from "./cert/remove.ts"
import { renewCertificate } from "./cert/renew.ts"
import { needsRenewal, showCertificate } from "./cert/show.ts"
import { uploadCertificate } from "./cert/upload.ts"
import type { CommandHandler } from "./command-spec.ts"
import { startTokenActors } from "./compose.ts"
import { exitCodes } from "./exit-codes.ts"
import { changePin } from "./hsm/change-pin.ts"
import { clearPinLatch } from "./hsm/clear-pin-latch.ts"
import { createKey } from "./hsm/create-key.ts"
import { deleteKey } from "./hsm/delete-key.ts"
import { doctor } from "./hsm/doctor.ts"
import { initToken } from "./hsm/init-token.ts"
import { listKeys } from "./hsm/list-keys.ts"
import { listTokens } from "./hsm/list-tokens.ts"
import type { TokenCommand } from "./hsm/token-command.ts"
import { makePrompts } from "./prompts.ts"
import { processTerminal } from "./terminal.ts"

/** A failure ends with its sentence. `failedWith`: the exit code then. */
const handler =
  (command: TokenCommand, failedWith: number = exitCodes.failed): CommandHandler =>
  (input) => {
    const terminal = processTerminal()
    const prompts = makePrompts(process.stdin, terminal.text)
    return Effect.scoped(
      Effect.flatMap(startTokenActors(input), (actors) => command({ actors, input, terminal, prompts }))
    ).pipe(Effect.catch((failure) => Effect.as(terminal.failure(failure), failedWith)))
  }

export const tokenHandlers = {
  "hsm init": handler(initToken),
  "hsm list-tokens": handler(listTokens),
  "hsm list-keys": handler(listKeys),
  "hsm create-key": handler(createKey),
  "hsm delete-key": handler(deleteKey),
  "hsm change-pin": handler(changePin),
  "hsm clear-pin-latch": handler(clearPinLatch),
  "hsm doctor": handler(doctor),
  "cert create-key-hsm": handler(createKey),
  "cert create": handler(createCertificate),
  "cert create-csr": handler(createCsr),
  "cert show": handler(showCertificate),
  // "No renewal needed" is 1: a failure must not look like it.
  "cert needs-renewal": handler(needsRenewal, exitCodes.usage),
  "cert remove": handler(removeCertificate),
  "cert renew": handler(renewCertificate),
  "cert upload c8y": handler(uploadCertificate),
  "cert download c8y": handler(downloadCertificate)
} satisfies Readonly<Record<string, CommandHandler>>
