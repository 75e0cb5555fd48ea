/** The directories in `mappers`: of the built-in clouds and their profiles, and user-defined ones. */
import { readdirSync } from "node:fs"
import { join } from "node:path"
import { Effect } from "effect"
import { ConfigFileMalformed, ConfigFileUnreadable } from "../../../messages/config.ts"
import { type CloudName, cloudNames } from "../../../messages/settings/setting.ts"
import { codeOf } from "../../../platform/process/error-code.ts"
import { readTomlFile, type TomlRead } from "../../../platform/toml/toml-file.ts"

export interface MapperDirectory {
  readonly name: string
  readonly path: string
  /** Undefined: a user-defined mapper. */
  readonly section: { readonly cloud: CloudName; readonly profile: string | undefined } | undefined
  /** Its mapper.toml. */
  readonly file: TomlRead
}

/** By name; empty if there is no directory `mappers`. */
export const mapperDirectories = (
  configDir: string
): Effect.Effect<ReadonlyArray<MapperDirectory>, ConfigFileUnreadable> => {
  const mappers = join(configDir, "mappers")
  return Effect.map(directoriesIn(mappers), (names) =>
    names.map((name) => {
      const [first = "", ...rest] = name.split(".")
      const cloud = cloudNames.find((one) => one === first)
      return {
        name,
        path: join(mappers, name),
        section: cloud && { cloud, profile: rest.length === 0 ? undefined : rest.join(".") },
        file: readTomlFile(join(mappers, name, "mapper.toml"))
      }
    })
  )
}

/** `directory`: of the mapper. */
export const unusableMapperFile = (
  directory: string,
  problem: Exclude<TomlRead, { readonly kind: "read" }>
): ConfigFileMalformed | ConfigFileUnreadable => {
  const path = join(directory, "mapper.toml")
  return problem.kind === "malformed"
    ? new ConfigFileMalformed({ path, ...problem })
    : new ConfigFileUnreadable({ path, code: problem.kind === "absent" ? "ENOENT" : problem.code })
}

const directoriesIn = (path: string): Effect.Effect<ReadonlyArray<string>, ConfigFileUnreadable> =>
  Effect.try({
    try: () => {
      const entries = readdirSync(path, { withFileTypes: true })
      return entries.flatMap((entry) => (entry.isDirectory() || entry.isSymbolicLink() ? entry.name : [])).sort()
    },
    catch: (error) => new ConfigFileUnreadable({ path, code: codeOf(error) })
  }).pipe(
    Effect.catchIf(
      ({ code }) => code === "ENOENT",
      () => Effect.succeed([])
    )
  )
