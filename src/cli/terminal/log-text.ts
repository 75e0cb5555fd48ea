/** Writes a log line worded by messages/explain. */
import { Effect } from "effect"
import type { LogText } from "../../messages/explain/cryptoki-event.ts"

export const logText = ({ level, text }: LogText): Effect.Effect<void> => log[level](text)

const log = {
  warn: Effect.logWarning,
  info: Effect.logInfo,
  debug: Effect.logDebug
} as const
