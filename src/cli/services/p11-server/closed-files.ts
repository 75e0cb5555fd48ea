/** Files of the token that are closed to the user who loads the module: it sees no token then, and does not say why. */
import { Effect } from "effect"
import { closedInWords } from "../../commands/hsm/token-access.ts"
import type { ServerSettings } from "./read-settings.ts"

export const logClosed = ({ hostUser, modulePath, socketPath, configDir }: ServerSettings): Effect.Effect<void> =>
  Effect.suspend(() => {
    const loadsAsRoot = process.getuid?.() === 0 && hostUser === undefined
    const asked = { cryptoki: { mode: "module", modulePath, socketPath }, configDir } as const
    const closed = loadsAsRoot ? [] : closedInWords(asked, process.env)
    return Effect.forEach(closed, (line) => Effect.logWarning(line), { discard: true })
  })
