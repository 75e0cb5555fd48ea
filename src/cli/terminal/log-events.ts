/** Log lines, level info and above, as events for status subscribers. */
import { Clock, Logger } from "effect"
import type { StatusEvent } from "../../messages/status/event.ts"
import type { LogLine } from "../../messages/status/snapshot.ts"
import { wallMs } from "../../runtime/primitives/wall-time.ts"
import { logWords } from "./logging.ts"

/** In addition to the logger that writes. */
export const logEvents = (publish: (event: StatusEvent) => void): Logger.Logger<unknown, void> =>
  Logger.make((entry) => {
    const level = levels[entry.logLevel]
    if (level === undefined) return
    const { target, text } = logWords(entry)
    const at = wallMs(entry.fiber.getRef(Clock.Clock))
    publish({ event: "log", line: { at, level, target, text: text.slice(0, longestLine) } })
  })

const levels: Readonly<Record<string, LogLine["level"] | undefined>> = {
  Fatal: "error",
  Error: "error",
  Warn: "warn",
  Info: "info"
}

const longestLine = 1_000
