/** The commands of `tedge hsm` and `tedge cert`, and how one is run with any terminal and actors. */
import { Effect, type Scope } from "effect"
import { explainClosed } from "../../messages/explain/platform.ts"
import type { Failure } from "../../messages/explain.ts"
import { codeOfFailure, exitCodes } from "../command-line/exit-codes.ts"
import { createCertificate } from "./cert/create.ts"
import { createCsr } from "./cert/create-csr.ts"
import { downloadCertificate } from "./cert/download.ts"
import { removeCertificate } from "./cert/remove.ts"
import { renewCertificate } from "./cert/renew.ts"
import { needsRenewal, showCertificate } from "./cert/show.ts"
import { uploadCertificate } from "./cert/upload.ts"
import { changePin } from "./hsm/change-pin.ts"
import { clearPinLatch } from "./hsm/clear-pin-latch.ts"
import { createKey } from "./hsm/create-key.ts"
import { deleteKey } from "./hsm/delete-key.ts"
import { doctor } from "./hsm/doctor/doctor.ts"
import { initToken } from "./hsm/init-token.ts"
import { listKeys } from "./hsm/list-keys.ts"
import { listTokens } from "./hsm/list-tokens.ts"
import { withScope } from "./hsm/other-token.ts"
import { cardsRefused, tokenAccess } from "./hsm/token-access.ts"
import { askLimits, type CommandContext, type TokenActors, type TokenCommand } from "./hsm/token-command.ts"

export const tokenCommands = {
  "hsm init": initToken,
  "hsm list-tokens": listTokens,
  "hsm list-keys": listKeys,
  "hsm create-key": createKey,
  "hsm delete-key": deleteKey,
  "hsm change-pin": changePin,
  "hsm clear-pin-latch": clearPinLatch,
  "hsm doctor": doctor,
  "cert create-key-hsm": createKey,
  "cert create": createCertificate,
  "cert create-csr": createCsr,
  "cert show": showCertificate,
  "cert needs-renewal": needsRenewal,
  "cert remove": removeCertificate,
  "cert renew": renewCertificate,
  "cert upload c8y": uploadCertificate,
  "cert download c8y": downloadCertificate
} satisfies Readonly<Record<string, TokenCommand>>

export type TokenCommandWords = keyof typeof tokenCommands

/** Returns the exit code; prints the failure. */
export const runTokenCommand = (
  words: TokenCommandWords,
  start: Effect.Effect<TokenActors, Failure, Scope.Scope>,
  context: Omit<CommandContext, "actors">
): Effect.Effect<number> =>
  Effect.scoped(
    Effect.flatMap(start, (actors) =>
      tokenCommands[words]({ ...context, actors }).pipe(
        Effect.catch((failure) => Effect.flip(withScope({ ...context, actors }, failure))),
        Effect.tapError((failure) => reportAccessDenied(failure, context, actors))
      )
    )
  ).pipe(
    // 1 means "no renewal needed": a failure must use another code.
    Effect.catch((failure) =>
      Effect.as(
        context.terminal.failure(failure),
        words === "cert needs-renewal" ? exitCodes.usage : codeOfFailure(failure)
      )
    )
  )

/** Modules report files that their user cannot read as a missing token, or as a general error. */
const reportAccessDenied = (
  failure: Failure,
  { terminal }: Pick<CommandContext, "terminal">,
  { config }: TokenActors
): Effect.Effect<void> =>
  mayBeClosed.has(failure._tag)
    ? Effect.gen(function* () {
        const { settings } = yield* config.ask("ReadSettings", undefined, { within: askLimits.read })
        for (const file of tokenAccess(settings, process.env).closed) {
          const { error, hint } = explainClosed(file)
          yield* terminal.warning(`${error}; ${hint}`)
        }
        const refused = new Set<Failure["_tag"]>(["TokenNotFound", "TokenNotNamed"]).has(failure._tag)
          ? yield* cardsRefused(settings)
          : undefined
        if (refused !== undefined) yield* terminal.warning(`${refused.error}; ${refused.hint}`)
      }).pipe(Effect.catch(() => Effect.void)) // the failure itself is reported in any case
    : Effect.void

const mayBeClosed: ReadonlySet<Failure["_tag"]> = new Set<Failure["_tag"]>([
  "ModuleNotLoaded",
  "TokenNotFound",
  "TokenNotNamed",
  "TokenUnavailable",
  "TokenError",
  "SigningServiceUnreachable"
])
