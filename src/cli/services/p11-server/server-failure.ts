/** Why the signing service does not start, or go on, in its log. */
import { Effect } from "effect"
import { logLine } from "../../../messages/explain/explanation.ts"
import { explainServerStart } from "../../../messages/explain/p11-server.ts"
import { explain } from "../../../messages/explain.ts"
import type { ServerStartRefusal } from "../../../messages/p11-server.ts"
import type { TokenRefusal } from "../../../messages/token-refusals.ts"
import type { AskFailed } from "../../../runtime/errors.ts"
import type { SettingsRefusal } from "./read-settings.ts"

export type ServerFailure = SettingsRefusal | AskFailed | TokenRefusal | ServerStartRefusal

export const logFailure = (failure: ServerFailure): Effect.Effect<void> =>
  Effect.logError(logLine(isServerRefusal(failure) ? explainServerStart(failure) : explain(failure)))

const isServerRefusal = (failure: ServerFailure): failure is ServerStartRefusal =>
  ["ListenFailed", "RuleInvalid", "GroupUnknown", "PinFileUnusable", "ConfigFileGone"].includes(failure._tag)
