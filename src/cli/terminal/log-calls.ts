/** `--debug`: one line per call of the PKCS#11 module, with its duration and return code, never with data. */
import { Effect, References } from "effect"
import { codeName } from "../../actors/cryptoki/pkcs11/return-codes.ts"
import type { CryptokiSettings } from "../../actors/cryptoki/settings.ts"

/** Undefined: below the log level. */
export const callLog: Effect.Effect<CryptokiSettings["onCall"]> = Effect.gen(function* () {
  const level = yield* References.MinimumLogLevel
  if (!["All", "Trace", "Debug"].includes(level)) return undefined
  const fork = Effect.runForkWith(yield* Effect.context<never>())
  return ({ name, tookMs, code }) => {
    const outcome = code === undefined ? "failed" : code === 0 ? "CKR_OK" : codeName(code)
    fork(Effect.annotateLogs(Effect.logDebug(`${name} ${outcome} ${tookMs.toFixed(1)} ms`), { target: "pkcs11" }))
  }
})
