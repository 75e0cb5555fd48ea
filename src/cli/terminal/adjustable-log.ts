/** A logger whose level can be changed at run time. */
import { Layer, Logger, type LogLevel, References } from "effect"
import { type LogLevelName, type LogStyle, logLine } from "./logging.ts"

export interface AdjustableLog {
  readonly layer: Layer.Layer<never>
  readonly setLevel: (level: LogLevelName) => void
  /** Whether this level is enabled: lines below it need not be formatted. */
  readonly writes: (level: LogLevelName) => boolean
}

export const adjustableLog = (options: {
  readonly level: LogLevelName
  readonly style: LogStyle
  readonly write: (line: string) => unknown
}): AdjustableLog => {
  let { level } = options
  const writes = (line: LogLevelName) => severity[line] >= severity[level]
  const logger = Logger.make((entry) => {
    const name = nameOf(entry.logLevel)
    if (name === undefined || !writes(name)) return
    options.write(`${logLine(entry, options.style)}\n`)
  })
  return {
    layer: Layer.merge(Logger.layer([logger]), Layer.succeed(References.MinimumLogLevel, "Trace")),
    setLevel: (next) => {
      level = next
    },
    writes
  }
}

const severity: Readonly<Record<LogLevelName, number>> = { trace: 0, debug: 1, info: 2, warn: 3, error: 4 }

const nameOf = (level: LogLevel.LogLevel): LogLevelName | undefined => {
  switch (level) {
    case "Trace":
      return "trace"
    case "Debug":
      return "debug"
    case "Info":
      return "info"
    case "Warn":
      return "warn"
    case "Error":
    case "Fatal":
      return "error"
    default:
      return undefined
  }
}
