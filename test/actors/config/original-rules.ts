/**
 * Where thin-edge 2 reads the settings of a cloud, written down once more as its rules say: with this, tests compare
 * what we read and wrote. Source: thin-edge 2, tedge_config_location and mapper_config.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { parse } from "smol-toml"

type Table = Readonly<Record<string, unknown>>

export const clouds = ["c8y", "az", "aws"] as const
export type Cloud = (typeof clouds)[number]

/** The table of a section; `unknown`: the profile does not exist. */
export const originalReads = (configDir: string, cloud: Cloud, profile?: string): Table | "unknown" => {
  const named = join(configDir, "mappers", profile === undefined ? cloud : `${cloud}.${profile}`, "mapper.toml")
  if (existsSync(named)) return without(tableIn(named), "cloud_type")
  if (profilesWithFile(configDir, cloud).length > 0) return profile === undefined ? {} : "unknown"
  const tedge = tableIn(join(configDir, "tedge.toml"))
  if (!clouds.some((name) => tedge[name] !== undefined)) return profile === undefined ? {} : "unknown"
  const section = table(tedge[cloud])
  if (profile === undefined) return without(section, "profiles")
  const found = table(section.profiles)[profile]
  return found === undefined ? "unknown" : table(found)
}

/** `""`: the section without profile. */
export const profilesWithFile = (configDir: string, cloud: Cloud): ReadonlyArray<string> => {
  const mappers = join(configDir, "mappers")
  const names = existsSync(mappers) ? readdirSync(mappers) : []
  return names
    .filter((name) => name.split(".")[0] === cloud && existsSync(join(mappers, name, "mapper.toml")))
    .map((name) => name.slice(cloud.length + 1))
}

export const tableIn = (path: string): Table => (existsSync(path) ? parse(readFileSync(path, "utf8")) : {})

const without = (from: Table, key: string): Table =>
  Object.fromEntries(Object.entries(from).filter(([name]) => name !== key))

const table = (value: unknown): Table => (typeof value === "object" && value !== null ? { ...value } : {})
