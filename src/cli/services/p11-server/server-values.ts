/** The settings of tedge-p11-server itself, as ConfigActor reports them. */
import { Redacted } from "effect"
import type { ShownSetting } from "../../../messages/config.ts"
import type { P11ServerLimits } from "../../../messages/p11-server.ts"
import { durationMs } from "../../../messages/settings/duration.ts"
import { optionOf, type P11ServerKey, p11ServerOptions } from "../../../messages/settings/p11-server-settings.ts"
import type { ValueSource } from "../../../messages/settings/refused-value.ts"
import type { CommandInput } from "../../command-line/command-spec.ts"
import { type LogLevelName, parseLogLevel } from "../../terminal/logging.ts"

export interface ServerValues {
  readonly pinFile: string | undefined
  /** The source of the PIN file's path, which decides its precedence. */
  readonly pinFileSource: ValueSource["kind"]
  readonly socketMode: number
  readonly socketGroup: string | undefined
  readonly limits: P11ServerLimits
  readonly metricsFile: string | undefined
  readonly logLevel: LogLevelName | undefined
  /** The module is loaded as root if the service is root. */
  readonly tokenAsRoot: boolean
}

/** The command's options, as settings. ConfigActor reads the variables. */
export const serverOptions = (input: CommandInput): Readonly<Record<string, string | undefined>> =>
  Object.fromEntries(
    p11ServerOptions.map(({ key }) => [key, input.given(optionOf(key)) ? input.text(optionOf(key)) : undefined])
  )

/** `shown`: all of `p11_server.`; each value is valid for its type. */
export const serverValues = (shown: ReadonlyArray<ShownSetting>): ServerValues => {
  const found = (key: P11ServerKey) => shown.find((one) => one.key === key)
  const text = (key: P11ServerKey) => {
    const value = found(key)?.value
    return value === undefined ? undefined : Redacted.value(value)
  }
  const number = (key: P11ServerKey) => Number(text(key))
  const milliseconds = (key: P11ServerKey) => durationMs(text(key) ?? "") ?? 0
  return {
    pinFile: text("p11_server.pin_file"),
    pinFileSource: found("p11_server.pin_file")?.source?.kind ?? "default",
    socketMode: Number.parseInt(text("p11_server.socket_mode") ?? "", 8),
    socketGroup: text("p11_server.socket_group"),
    limits: {
      connections: number("p11_server.max_connections"),
      connectionsPerUser: number("p11_server.max_user_connections"),
      readMs: milliseconds("p11_server.request_timeout"),
      writeMs: milliseconds("p11_server.answer_timeout")
    },
    metricsFile: text("p11_server.metrics_file"),
    logLevel: parseLogLevel(text("p11_server.log_level") ?? ""),
    tokenAsRoot: text("p11_server.token_user") === "root"
  }
}
