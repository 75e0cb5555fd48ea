/**
 * Log lines of the signing service besides its events: why it fails to start or ends, which token files its user cannot read
 * (the module then shows no token, and no reason), whether refused PINs are recorded.
 */
import { accessSync, constants, existsSync } from "node:fs"
import { dirname, join } from "node:path"
import { Effect } from "effect"
import { logLine } from "../../../messages/explain/explanation.ts"
import { explainServerStart } from "../../../messages/explain/p11-server.ts"
import { explainClosedFile } from "../../../messages/explain/token-fragments.ts"
import { explain } from "../../../messages/explain.ts"
import type { ServerStartRefusal } from "../../../messages/p11-server.ts"
import type { TokenRefusal } from "../../../messages/token-refusals.ts"
import type { AskFailed } from "../../../runtime/errors.ts"
import { describeClosed } from "../../commands/hsm/token-access.ts"
import { closedFile } from "./closed-file.ts"
import type { ServerSettings, SettingsRefusal } from "./read-settings.ts"

export type ServerFailure = SettingsRefusal | AskFailed | TokenRefusal | ServerStartRefusal

export const logFailure = (failure: ServerFailure): Effect.Effect<void> =>
  Effect.logError(logLine(isServerRefusal(failure) ? explainServerStart(failure) : explain(failure)))

const isServerRefusal = (failure: ServerFailure): failure is ServerStartRefusal =>
  ["ListenFailed", "RuleInvalid", "GroupUnknown", "PinFileUnusable", "ConfigFileGone"].includes(failure._tag)

export const logClosed = (settings: ServerSettings): Effect.Effect<void> =>
  Effect.suspend(() => {
    const { hostUser, modulePath, socketPath, configDir } = settings
    const loadsAsRoot = process.getuid?.() === 0 && hostUser === undefined
    const asked = { cryptoki: { mode: "module", modulePath, socketPath }, configDir } as const
    const closed = loadsAsRoot ? closedToRoot(settings) : describeClosed(asked, process.env)
    return Effect.forEach(closed, (line) => Effect.logWarning(line), { discard: true })
  })

/** Without capabilities. A read-only directory may be enough for it. */
const closedToRoot = (settings: ServerSettings): ReadonlyArray<string> => {
  const file = closedFile(settings)
  return file === undefined || file.code === "EROFS" ? [] : [explainClosedFile(file)]
}

export const latchDirectory = (runPath: string): string => join(runPath, "tedge-pin-latch")

/** False: a restart forgets the wrong PINs, and each would be tried again. */
export const isLatchKept = (directory: string): boolean => {
  // Created with the first record, like its parent.
  const places = [directory, dirname(directory), dirname(dirname(directory))]
  const place = places.find((one) => existsSync(one))
  if (place === undefined) return false
  try {
    accessSync(place, constants.W_OK | constants.X_OK)
    return true
  } catch {
    return false
  }
}
