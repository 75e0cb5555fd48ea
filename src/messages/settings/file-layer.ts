/**
 * tedge.toml and mapper.toml as layers, with the path of each setting in the file.
 *
 * A tedge.toml without `[config] version = "2"` is of version 1 and has older names; they are accepted here and only
 * renamed in the file when it is written anyway. Source: thin-edge, tedge config reference, "Files and layering".
 */
import { type Found, type Layer, layerOf } from "./layer.ts"
import { p11ServerRules } from "./p11-server-settings.ts"
import type { SettingWarning, ValueSource } from "./refused-value.ts"
import { type CloudName, cloudNames, type Setting } from "./setting.ts"
import { fullKey, parseProfile, type SettingName, settingByKey } from "./setting-name.ts"
import { settingsTable } from "./settings-table.ts"

export interface TomlTable {
  readonly [key: string]: unknown
}

/** A path from the top of the file. */
export type TomlPath = ReadonlyArray<string>

/** A layer, and the paths of each setting, by full key; several if older names exist too. */
export interface PlacedLayer {
  readonly layer: Layer
  readonly places: ReadonlyMap<string, ReadonlyArray<TomlPath>>
}

export type FileLayer =
  | (PlacedLayer & {
      readonly kind: "layer"
      /** Version 1 only: what a write has to rename. */
      readonly renames: ReadonlyArray<{ readonly from: TomlPath; readonly to: TomlPath; readonly value: unknown }>
    })
  | { readonly kind: "unknown-version"; readonly version: string }
  | { readonly kind: "conflict"; readonly from: string; readonly to: string }

/** `directory`: base of relative paths in the file. */
export const fileLayer = (tree: TomlTable, path: string, directory: string): FileLayer => {
  const version = versionOf(tree)
  if (version !== "1" && version !== "2") return { kind: "unknown-version", version }
  const source: ValueSource = { kind: "file", path }
  const found: Array<Found & { readonly at: TomlPath }> = []
  const renames: Array<{ from: TomlPath; to: TomlPath; value: unknown }> = []
  const warnings: Array<SettingWarning> = []
  for (const { at, value } of leavesOf(tree)) {
    const given = at.join(".")
    // tedge-p11-server reads its rules itself: they are tables.
    if (at[0] === "config" || given === p11ServerRules) continue
    const renamed = version === "1" ? firstVersionNames.get(given) : undefined
    const name =
      renamed === undefined ? nameAt(at) : { setting: renamed, profile: undefined, spelling: "other" as const }
    if (name === undefined) {
      warnings.push({ kind: "unknown-key", key: given, source })
      continue
    }
    if (renamed !== undefined) renames.push({ from: at, to: renamed.key.split("."), value })
    found.push({ at, given, name, value, source, directory })
  }
  const clash = renames.find(({ to }) => found.some(({ given }) => given === to.join(".")))
  if (clash !== undefined) return { kind: "conflict", from: clash.from.join("."), to: clash.to.join(".") }
  const layer = layerOf(found)
  return {
    kind: "layer",
    layer: { ...layer, warnings: [...warnings, ...layer.warnings] },
    places: placesOf(found),
    renames
  }
}

/** A section of a cloud: without profile, or of one. */
export interface CloudProfile {
  readonly cloud: CloudName
  readonly profile: string | undefined
}

/**
 * A mapper.toml: the settings of one section of a cloud, without its prefix. `cloud_type` only marks the file.
 * `directory`: base of relative paths in the file.
 */
export const mapperLayer = (
  tree: TomlTable,
  { cloud, profile }: CloudProfile,
  { path, directory }: { readonly path: string; readonly directory: string }
): PlacedLayer => {
  const source: ValueSource = { kind: "file", path }
  const section = profile === undefined ? [cloud] : [cloud, "profiles", profile]
  const found: Array<Found & { readonly at: TomlPath }> = []
  const warnings: Array<SettingWarning> = []
  for (const { at, value } of leavesOf(tree)) {
    if (at.length === 1 && at[0] === cloudTypeKey) continue
    // Profiles have their own files: a table of that name has no meaning here.
    const name = at[0] === "profiles" ? undefined : nameAt([...section, ...at])
    if (name === undefined) warnings.push({ kind: "unknown-key", key: at.join("."), source })
    else found.push({ at, given: [...section, ...at].join("."), name, value, source, directory })
  }
  const layer = layerOf(found)
  return { layer: { ...layer, warnings: [...warnings, ...layer.warnings] }, places: placesOf(found) }
}

/** In each mapper.toml of a built-in cloud; ignored. */
export const cloudTypeKey = "cloud_type"

/** The clouds for which tedge.toml has a table, even an empty one. */
export const cloudTablesOf = (tree: TomlTable): ReadonlyArray<CloudName> =>
  cloudNames.filter((cloud) => tableNames(cloud).some((name) => tree[name] !== undefined))

/** The names of a cloud's table in tedge.toml. */
export const tableNames = (cloud: CloudName): ReadonlyArray<string> => (cloud === "az" ? ["az", "azure"] : [cloud])

const versionOf = (tree: TomlTable): string => {
  const config = tree.config
  return isTable(config) && config.version !== undefined ? String(config.version) : "1"
}

export const placesOf = (
  found: ReadonlyArray<Found & { readonly at: TomlPath }>
): ReadonlyMap<string, ReadonlyArray<TomlPath>> => {
  const places = new Map<string, ReadonlyArray<TomlPath>>()
  for (const { name, at } of found) places.set(fullKey(name), [...(places.get(fullKey(name)) ?? []), at])
  return places
}

/** In the file names are exact. */
export const nameAt = (at: TomlPath): SettingName | undefined => {
  const [section = "", second, profile = "", ...rest] = at
  const cloud = section === "azure" ? "az" : section
  if (second !== "profiles" || !cloudNames.some((name) => name === cloud))
    return unprofiled([cloud, ...at.slice(1)], at)
  const parsed = parseProfile(profile)
  const name = unprofiled([cloud, ...rest], [section, ...rest])
  // As thin-edge does: `[c8y.profiles.Prod]` is the profile prod.
  return "name" in parsed && name !== undefined ? { ...name, profile: parsed.name } : undefined
}

const unprofiled = (at: TomlPath, typed: TomlPath): SettingName | undefined => {
  if (at.some((segment) => segment.includes("."))) return undefined
  const setting = settingByKey(at.join("."))
  if (setting !== undefined)
    return { setting, profile: undefined, spelling: typed[0] === at[0] ? "canonical" : "deprecated" }
  const older = olderNames.get(at.join("."))
  return older === undefined ? undefined : { setting: older, profile: undefined, spelling: "deprecated" }
}

export const leavesOf = function* (
  table: TomlTable,
  above: TomlPath = []
): Generator<{ at: TomlPath; value: unknown }> {
  for (const [segment, value] of Object.entries(table)) {
    const at = [...above, segment]
    if (isTable(value)) yield* leavesOf(value, at)
    else yield { at, value }
  }
}

export const isTable = (value: unknown): value is TomlTable =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date)

const olderNames: ReadonlyMap<string, Setting> = new Map(
  settingsTable.flatMap((setting) => (setting.deprecated ?? []).map((name): [string, Setting] => [name, setting]))
)

const firstVersionNames: ReadonlyMap<string, Setting> = new Map(
  Object.entries({
    "mqtt.port": "mqtt.bind.port",
    "mqtt.bind_address": "mqtt.bind.address",
    "mqtt.client_host": "mqtt.client.host",
    "mqtt.client_port": "mqtt.client.port",
    "mqtt.client_ca_file": "mqtt.client.auth.ca_file",
    "mqtt.client_ca_path": "mqtt.client.auth.ca_dir",
    "mqtt.client_auth.cert_file": "mqtt.client.auth.cert_file",
    "mqtt.client_auth.key_file": "mqtt.client.auth.key_file",
    "mqtt.external_port": "mqtt.external.bind.port",
    "mqtt.external_bind_address": "mqtt.external.bind.address",
    "mqtt.external_bind_interface": "mqtt.external.bind.interface",
    "mqtt.external_capath": "mqtt.external.ca_path",
    "mqtt.external_certfile": "mqtt.external.cert_file",
    "mqtt.external_keyfile": "mqtt.external.key_file",
    "az.mapper_timestamp": "az.mapper.timestamp",
    "aws.mapper_timestamp": "aws.mapper.timestamp",
    "http.port": "http.bind.port",
    "http.bind_address": "http.bind.address",
    "software.default_plugin_type": "software.plugin.default",
    "firmware.child_update_timeout": "firmware.child.update.timeout",
    "c8y.smartrest_templates": "c8y.smartrest.templates",
    "apt.dpk.options.config": "apt.dpkg.options.config"
  }).flatMap(([old, key]) => {
    const setting = settingByKey(key)
    return setting === undefined ? [] : [[old, setting]]
  })
)
