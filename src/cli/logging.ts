/**
 * Log lines as thin-edge writes them: `2025-05-06T11:13:40.171Z  INFO target: message key=value`.
 *
 * Under systemd (INVOCATION_ID is set) without the time, which the journal has. Secrets are Redacted values and
 * print as such. Source: thin-edge, conventions common to all commands.
 */
import { Cause, Clock, Layer, Logger, type LogLevel, Redacted, References } from "effect"
import { shownText } from "../messages/shown-text.ts"
import { wallMs } from "../runtime/wall-time.ts"

export const logLevels = ["error", "warn", "info", "debug", "trace"] as const

export type LogLevelName = (typeof logLevels)[number]

/** Undefined: not a level. */
export const parseLogLevel = (text: string): LogLevelName | undefined =>
  logLevels.find((name) => name === text.toLowerCase())

/** Flags go before RUST_LOG, that before the default. A RUST_LOG with more in it than a level is not ours to read. */
export const chosenLogLevel = (options: {
  readonly option: LogLevelName | undefined
  readonly debug: boolean
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly fallback: LogLevelName
}): LogLevelName =>
  options.option ?? (options.debug ? "debug" : (parseLogLevel(options.environment.RUST_LOG ?? "") ?? options.fallback))

export const loggingLayer = (options: {
  readonly level: LogLevelName
  readonly withTime: boolean
  readonly write: (line: string) => unknown
}): Layer.Layer<never> =>
  Layer.merge(
    Logger.layer([Logger.make((entry) => void options.write(`${logLine(entry, options.withTime)}\n`))]),
    Layer.succeed(References.MinimumLogLevel, effectLevels[options.level])
  )

/** One line, whatever the message holds. The annotation `target` says who speaks. */
export const logLine = (entry: Logger.Options<unknown>, withTime: boolean): string => {
  const { target, ...annotations } = entry.fiber.getRef(References.CurrentLogAnnotations)
  const fields = Object.entries(annotations).map(([name, value]) => `${name}=${shown(value)}`)
  const messages = (Array.isArray(entry.message) ? entry.message : [entry.message]).map(shown)
  const cause = entry.cause.reasons.length === 0 ? [] : [`cause=${shown(Cause.pretty(entry.cause))}`]
  const head = [
    ...(withTime ? [new Date(wallMs(entry.fiber.getRef(Clock.Clock))).toISOString()] : []),
    levelLabel(entry.logLevel)
  ]
  return [...head, `${target === undefined ? "tedge" : String(target)}:`, ...messages, ...fields, ...cause].join(" ")
}

const shown = (value: unknown): string => {
  const text = Redacted.isRedacted(value) ? "[REDACTED]" : typeof value === "string" ? value : JSON.stringify(value)
  return shownText(
    String(text)
      .replaceAll(/\s*\n\s*/g, "; ")
      .replaceAll("\t", " ")
  )
}

const levelLabel = (level: LogLevel.LogLevel): string => level.toUpperCase().padStart(5)

const effectLevels = { error: "Error", warn: "Warn", info: "Info", debug: "Debug", trace: "Trace" } as const
