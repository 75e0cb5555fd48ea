/**
 * `tedge mapper config get NAME.KEY`: value on stdout, its source on stderr.
 *
 * NAME is a directory in `mappers`: `c8y`, `c8y.prod`, or a user-defined mapper, of which every key can be read.
 */
import { join, resolve } from "node:path"
import { Effect, Redacted } from "effect"
import { MapperUnknown, SettingNotSet } from "../../../messages/config.ts"
import { isTable } from "../../../messages/settings/file-layer.ts"
import type { ValueSource } from "../../../messages/settings/refused-value.ts"
import { parseSettingName } from "../../../messages/settings/setting-name.ts"
import { exitCodes } from "../../command-line/exit-codes.ts"
import { askLimit, type ConfigCommandContext, configCommand, configDirOf } from "../config/config-command.ts"
import { type MapperDirectory, mapperDirectories, mapperIdentity, unusableMapperFile } from "./mapper-directories.ts"

export const mapperConfigGet = configCommand((context) =>
  Effect.gen(function* () {
    const given = context.input.argument("KEY") ?? ""
    const directories = yield* mapperDirectories(configDirOf(context.input))
    // The longest matching name: `c8y.prod.url` belongs to c8y.prod if there is such a mapper.
    const [directory] = directories
      .filter(({ name }) => given.startsWith(`${name}.`))
      .sort((one, other) => other.name.length - one.name.length)
    if (directory === undefined) return yield* new MapperUnknown({ given, known: directories.map(({ name }) => name) })
    const key = given.slice(directory.name.length + 1)
    const found = yield* directory.section === undefined
      ? ownValue(context, directory, given, key)
      : builtIn(context, directory, key)
    yield* context.terminal.answer(`${found.value}\n`)
    yield* context.terminal.line(`# from ${found.from}`)
    return exitCodes.ok
  })
)

const builtIn = ({ config }: ConfigCommandContext, { section, path, file }: MapperDirectory, key: string) =>
  Effect.gen(function* () {
    const { cloud, profile } = section ?? { cloud: "c8y", profile: undefined }
    const custom = parseSettingName(`${cloud}.${key}`) === undefined ? shownIn(file, key) : undefined
    if (custom !== undefined) return { value: custom, from: "mapper.toml" }
    const shown = yield* config.ask("Get", { key: `${cloud}.${key}`, profile: profile ?? null }, askLimit)
    if (shown.value === undefined) return yield* new SettingNotSet({ key: shown.key, idProblem: shown.idProblem })
    return { value: Redacted.value(shown.value), from: originOf(shown.source, join(path, "mapper.toml")) }
  })

const originOf = (source: ValueSource | undefined, own: string): string => {
  switch (source?.kind) {
    case "file":
      return source.path === own ? "mapper.toml" : source.path
    case "certificate":
      return `the common name of the certificate '${source.path}'`
    case "fallback":
      return `${source.key} in tedge.toml`
    case "variable":
      return `the environment variable ${source.variable}`
    default:
      return "the default"
  }
}

const ownValue = (context: ConfigCommandContext, directory: MapperDirectory, given: string, key: string) =>
  Effect.gen(function* () {
    const { name, path, file } = directory
    if (file.kind !== "read") return yield* unusableMapperFile(path, file)
    if (key === "device.id") {
      const identity = yield* mapperIdentity(context.config, directory)
      if (identity === undefined) return yield* new SettingNotSet({ key: given, idProblem: undefined })
      return { value: identity.id, from: identity.origin }
    }
    const value = shownIn(file, key)
    // A mapper without its own inherits those of the device.
    if (value === undefined && ["device.cert_path", "device.key_path"].includes(key)) {
      const shown = yield* context.config.ask("Get", { key }, askLimit)
      if (shown.value !== undefined) return { value: Redacted.value(shown.value), from: `${key} in tedge.toml` }
    }
    if (value === undefined) return yield* new SettingNotSet({ key: given, idProblem: undefined })
    const isRelative = key.endsWith("_path") && !value.startsWith("/")
    return isRelative
      ? { value: resolve(path, value), from: `mapper.toml of ${name}, a path relative to it` }
      : { value, from: `mapper.toml of ${name}` }
  })

/** A value of the file for display; undefined: there is none, or it is a table. */
const shownIn = (file: MapperDirectory["file"], key: string): string | undefined => {
  const tree: unknown = file.kind === "read" ? file.tree : undefined
  const value = key
    .split(".")
    .reduce<unknown>((table, one) => (isTable(table) && Object.hasOwn(table, one) ? table[one] : undefined), tree)
  if (value === undefined || isTable(value)) return undefined
  return typeof value === "string" ? value : JSON.stringify(value)
}
