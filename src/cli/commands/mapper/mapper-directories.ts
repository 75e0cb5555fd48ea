/** The directories in `mappers`: those of the built-in clouds and their profiles, and the user's own. */
import { readdirSync } from "node:fs"
import { join } from "node:path"
import { ConfigFileMalformed, ConfigFileUnreadable } from "../../../messages/config.ts"
import { type CloudName, cloudNames } from "../../../messages/settings/setting.ts"
import { readTomlFile, type TomlRead } from "../../../platform/toml/toml-file.ts"

export interface MapperDirectory {
  readonly name: string
  readonly path: string
  /** Undefined: a user's own mapper. */
  readonly section: { readonly cloud: CloudName; readonly profile: string | undefined } | undefined
  /** Its mapper.toml. */
  readonly file: TomlRead
}

/** By name. */
export const mapperDirectories = (configDir: string): ReadonlyArray<MapperDirectory> => {
  const mappers = join(configDir, "mappers")
  return directoriesIn(mappers).map((name) => {
    const [first = "", ...rest] = name.split(".")
    const cloud = cloudNames.find((one) => one === first)
    return {
      name,
      path: join(mappers, name),
      section: cloud && { cloud, profile: rest.length === 0 ? undefined : rest.join(".") },
      file: readTomlFile(join(mappers, name, "mapper.toml"))
    }
  })
}

/** `directory`: that of the mapper. */
export const unusableMapperFile = (
  directory: string,
  problem: Exclude<TomlRead, { readonly kind: "read" }>
): ConfigFileMalformed | ConfigFileUnreadable => {
  const path = join(directory, "mapper.toml")
  return problem.kind === "malformed"
    ? new ConfigFileMalformed({ path, ...problem })
    : new ConfigFileUnreadable({ path, code: problem.kind === "absent" ? "ENOENT" : problem.code })
}

const directoriesIn = (path: string): ReadonlyArray<string> => {
  try {
    const entries = readdirSync(path, { withFileTypes: true })
    return entries.flatMap((entry) => (entry.isDirectory() || entry.isSymbolicLink() ? entry.name : [])).sort()
  } catch {
    return [] // no directory: no mapper
  }
}
