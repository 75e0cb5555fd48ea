/** Whether pcscd denies the user that loads the module access to its readers: then no tokens are visible. */
import { basename } from "node:path"
import { Effect } from "effect"
import { explainPcscdRefuses } from "../../../messages/explain/platform.ts"
import type { Explanation } from "../../../messages/explain.ts"
import type { Settings } from "../../../messages/settings/resolved-settings.ts"
import { pcscdServes } from "../../../platform/sockets/pcscd.ts"
import { userName } from "../../../platform/users/accounts.ts"
import { serviceUser } from "../../../platform/users/service-user.ts"

/** Call when no token was found. Undefined: pcscd is not the reason. */
export const cardsRefused = ({
  cryptoki,
  configDir
}: Pick<Settings, "cryptoki" | "configDir">): Effect.Effect<Explanation | undefined> => {
  const module = cryptoki.mode === "module" ? cryptoki.modulePath : undefined
  if (module === undefined || withoutCards.test(basename(module))) return Effect.succeed(undefined)
  const user = serviceUser(configDir)
  if (user.kind === "unusable") return Effect.succeed(undefined)
  const name = user.kind === "user" ? user.name : userName(process.getuid?.() ?? 0)
  return Effect.map(pcscdServes(user.kind === "user" ? user : undefined), (serves) =>
    serves === false ? explainPcscdRefuses(name, user.kind === "user") : undefined
  )
}

/** Modules whose tokens are not cards. */
const withoutCards = /softhsm|tpm2|ckteec|cryptoauth|p11-kit/
