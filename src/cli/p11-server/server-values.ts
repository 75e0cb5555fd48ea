/**
 * The values of tedge-p11-server's own settings: option, variable, `[p11_server]` in tedge.toml, default.
 */
import { dirname } from "node:path"
import { Effect } from "effect"
import { InvalidSetting } from "../../messages/config.ts"
import type { P11ServerLimits } from "../../messages/p11-server.ts"
import { durationMs } from "../../messages/settings/duration.ts"
import {
  nameIn,
  optionOf,
  type P11ServerKey,
  p11ServerFileKeys,
  p11ServerSettings,
  variableOf
} from "../../messages/settings/p11-server-settings.ts"
import type { ValueProblem, ValueSource } from "../../messages/settings/refused-value.ts"
import type { Setting, Value } from "../../messages/settings/setting.ts"
import { parseText, parseToml } from "../../messages/settings/value.ts"
import type { TomlTree } from "../../platform/toml-file.ts"
import type { CommandInput } from "../command-spec.ts"
import { type LogLevelName, logLevels, parseLogLevel } from "../logging.ts"

export interface ServerValues {
  readonly pinFile: string | undefined
  /** Where the path of the PIN file stands; decides what it goes before. */
  readonly pinFileSource: ValueSource["kind"]
  readonly socketMode: number
  readonly socketGroup: string | undefined
  readonly limits: P11ServerLimits
  readonly metricsFile: string | undefined
  readonly logLevel: LogLevelName | undefined
  /** Keys of the table that nobody knows. */
  readonly unknown: ReadonlyArray<string>
}

/** `[p11_server]` of the file at `path`. */
export interface OwnTable {
  readonly path: string
  readonly table: TomlTree
}

export const serverValues = (input: CommandInput, file: OwnTable): Effect.Effect<ServerValues, InvalidSetting> =>
  Effect.gen(function* () {
    const found = new Map<P11ServerKey, Found>()
    for (const setting of p11ServerSettings) found.set(setting.key, yield* settingValue(input, file, setting))
    const text = (key: P11ServerKey) =>
      found.get(key)?.value === undefined ? undefined : String(found.get(key)?.value)
    const number = (key: P11ServerKey) => Number(text(key))
    const milliseconds = (key: P11ServerKey) => durationMs(text(key) ?? "") ?? 0
    return {
      pinFile: text("p11_server.pin_file"),
      pinFileSource: found.get("p11_server.pin_file")?.source.kind ?? "default",
      socketMode: yield* socketMode(text("p11_server.socket_mode") ?? "", found),
      socketGroup: text("p11_server.socket_group"),
      limits: {
        connections: number("p11_server.max_connections"),
        connectionsPerUser: number("p11_server.max_user_connections"),
        readMs: milliseconds("p11_server.request_timeout"),
        writeMs: milliseconds("p11_server.answer_timeout")
      },
      metricsFile: text("p11_server.metrics_file"),
      logLevel: yield* logLevel(file),
      unknown: Object.keys(file.table).filter((name) => !known.has(name))
    }
  })

interface Found {
  readonly value: Value | undefined
  readonly source: ValueSource
}

const settingValue = (
  input: CommandInput,
  { path, table }: OwnTable,
  setting: Setting & { readonly key: P11ServerKey }
): Effect.Effect<Found, InvalidSetting> => {
  const option = optionOf(setting.key)
  const typed = input.text(option)
  const inFile = table[nameIn(setting.key)]
  if (typed !== undefined && typed !== "") {
    const source: ValueSource = input.given(option)
      ? { kind: "argument" }
      : { kind: "variable", variable: variableOf(setting.key) }
    return parsed(setting, typed, source, parseText(setting.type, typed, process.cwd()))
  }
  if (inFile !== undefined && inFile !== "")
    return parsed(setting, String(inFile), { kind: "file", path }, parseToml(setting.type, inFile, dirname(path)))
  return Effect.succeed({
    value: typeof setting.default === "string" ? setting.default : undefined,
    source: { kind: "default" }
  })
}

const parsed = (
  { key }: Setting,
  text: string,
  source: ValueSource,
  result: ReturnType<typeof parseText>
): Effect.Effect<Found, InvalidSetting> =>
  result.ok ? Effect.succeed({ value: result.value, source }) : invalid(key, text, source, result.problem)

/** As chmod takes it: `660`, `0660`. */
const socketMode = (text: string, found: ReadonlyMap<P11ServerKey, Found>): Effect.Effect<number, InvalidSetting> => {
  const key = "p11_server.socket_mode"
  const source = found.get(key)?.source ?? { kind: "default" }
  return /^0?[0-7]{3}$/.test(text)
    ? Effect.succeed(Number.parseInt(text, 8))
    : invalid(key, text, source, { kind: "wrong-type", expected: "permissions like 660", found: text })
}

/** The option --log-level and RUST_LOG go before it; they are not ours to read. */
const logLevel = ({ path, table }: OwnTable): Effect.Effect<LogLevelName | undefined, InvalidSetting> => {
  const text = table.log_level
  if (text === undefined || text === "") return Effect.succeed(undefined)
  const level = parseLogLevel(String(text))
  return level === undefined
    ? invalid(
        "p11_server.log_level",
        String(text),
        { kind: "file", path },
        { kind: "not-a-choice", choices: logLevels }
      )
    : Effect.succeed(level)
}

const invalid = (key: string, value: string, source: ValueSource, problem: ValueProblem) =>
  Effect.fail(new InvalidSetting({ key, value, source, problem }))

const known: ReadonlySet<string> = new Set([...p11ServerSettings.map(({ key }) => nameIn(key)), ...p11ServerFileKeys])
