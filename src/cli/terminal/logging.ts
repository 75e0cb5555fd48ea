/**
 * Log lines in thin-edge's format: `2025-05-06T11:13:40.171Z  INFO target: message key=value`.
 *
 * Under systemd (INVOCATION_ID is set) without the time, which the journal adds; if stderr is the journal, prefixed with
 * the priority (`<3>`), so that `journalctl -p err` shows the errors. Secrets are Redacted values and print as
 * such. Source: thin-edge, conventions common to all commands; sd-daemon(3); systemd.exec(5), JOURNAL_STREAM.
 */
import { fstatSync } from "node:fs"
import { join } from "node:path"
import { Cause, Clock, Layer, Logger, type LogLevel, Redacted, References } from "effect"
import { shownText } from "../../messages/shown-text.ts"
import type { StatusEvent } from "../../messages/status/event.ts"
import { readTomlFile } from "../../platform/toml/toml-file.ts"
import { wallMs } from "../../runtime/primitives/wall-time.ts"

const logLevels = ["error", "warn", "info", "debug", "trace"] as const

export type LogLevelName = (typeof logLevels)[number]

/** Undefined: not a level. */
export const parseLogLevel = (text: string): LogLevelName | undefined =>
  logLevels.find((name) => name === text.toLowerCase())

/** Options take precedence over RUST_LOG, and that over the default. A RUST_LOG that is more than a level is ignored. */
export const chosenLogLevel = (options: {
  readonly option: LogLevelName | undefined
  readonly debug: boolean
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly fallback: LogLevelName
}): LogLevelName =>
  options.option ?? (options.debug ? "debug" : (parseLogLevel(options.environment.RUST_LOG ?? "") ?? options.fallback))

/** Prefix of a line, before its level. */
export interface LogStyle {
  readonly withTime: boolean
  readonly withPriority: boolean
}

/** For lines on standard error. */
export const logStyle = (environment: Readonly<Record<string, string | undefined>>): LogStyle => ({
  withTime: environment.INVOCATION_ID === undefined,
  withPriority: isJournal(environment.JOURNAL_STREAM)
})

/** The variable is inherited even if stderr was redirected: it identifies the journal's own socket. */
const isJournal = (stream: string | undefined): boolean => {
  if (stream === undefined) return false
  try {
    const { dev, ino } = fstatSync(2, { bigint: true })
    return stream === `${dev}:${ino}`
  } catch {
    return false // standard error is closed
  }
}

export const loggingLayer = (options: {
  readonly level: LogLevelName
  readonly style: LogStyle
  readonly write: (line: string) => unknown
}): Layer.Layer<never> =>
  Layer.merge(
    Logger.layer([Logger.make((entry) => void options.write(`${logLine(entry, options.style)}\n`))]),
    Layer.succeed(
      References.MinimumLogLevel,
      ({ error: "Error", warn: "Warn", info: "Info", debug: "Debug", trace: "Trace" } as const)[options.level]
    )
  )

/** One line, whatever the message contains. The annotation `target` names the component. */
export const logLine = (entry: Logger.Options<unknown>, { withTime, withPriority }: LogStyle): string => {
  const { target, text } = logWords(entry)
  const time = withTime ? `${new Date(wallMs(entry.fiber.getRef(Clock.Clock))).toISOString()} ` : ""
  const line = `${time}${entry.logLevel.toUpperCase().padStart(5)} ${target}: ${text}`
  return withPriority ? `<${priorityOf(entry.logLevel)}>${line}` : line
}

export const logWords = (entry: Logger.Options<unknown>): { readonly target: string; readonly text: string } => {
  const { target, ...annotations } = entry.fiber.getRef(References.CurrentLogAnnotations)
  const fields = Object.entries(annotations).map(([name, value]) => `${name}=${shown(value)}`)
  const messages = (Array.isArray(entry.message) ? entry.message : [entry.message]).map(shown)
  const cause = entry.cause.reasons.length === 0 ? [] : [`cause=${shown(Cause.pretty(entry.cause))}`]
  return { target: target === undefined ? "tedge" : String(target), text: [...messages, ...fields, ...cause].join(" ") }
}

const shown = (value: unknown): string => {
  const text = Redacted.isRedacted(value) ? "[REDACTED]" : typeof value === "string" ? value : JSON.stringify(value)
  return shownText(
    String(text)
      .replaceAll(/\s*\n\s*/g, "; ")
      .replaceAll("\t", " ")
  )
}

/** Source: syslog(3). */
const priorityOf = (level: LogLevel.LogLevel): number => {
  switch (level) {
    case "Fatal":
    case "Error":
      return 3
    case "Warn":
      return 4
    case "Debug":
    case "Trace":
      return 7
    default:
      return 6
  }
}

/** A logger whose level can be changed at run time. */
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
    const name = levelNames[entry.logLevel]
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

const levelNames: Readonly<Partial<Record<LogLevel.LogLevel, LogLevelName>>> = {
  Trace: "trace",
  Debug: "debug",
  Info: "info",
  Warn: "warn",
  Error: "error",
  Fatal: "error"
}

/**
 * The log level of a service in system.toml: `[log]`, the service's name, then that of its program.
 *
 * `names`: most specific first (`tedge-mapper-c8y`, `tedge-mapper`); `-` and `_` are equal.
 * An unreadable file is ignored here: other readers report it.
 */
export const systemLogLevel = (configDir: string, names: ReadonlyArray<string>): LogLevelName | undefined => {
  const read = readTomlFile(join(configDir, "system.toml"))
  const table = read.kind === "read" ? read.tree.log : undefined
  if (typeof table !== "object" || table === null) return undefined
  const levels = new Map(Object.entries(table).map(([name, level]) => [plain(name), parseLogLevel(String(level))]))
  return names.map((name) => levels.get(plain(name))).find((level) => level !== undefined)
}

const plain = (name: string): string => name.replaceAll("_", "-")

/** Log lines, level info and above, as events for status subscribers; in addition to the logger that writes. */
export const logEvents = (publish: (event: StatusEvent) => void): Logger.Logger<unknown, void> =>
  Logger.make((entry) => {
    const level = levelNames[entry.logLevel]
    if (level === undefined || level === "debug" || level === "trace") return
    const { target, text } = logWords(entry)
    const at = wallMs(entry.fiber.getRef(Clock.Clock))
    publish({ event: "log", line: { at, level, target, text: text.slice(0, longestLine) } })
  })

const longestLine = 1_000
