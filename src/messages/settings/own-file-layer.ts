/**
 * The files that thin-edge's own programs do not know, as layers: secrets.toml and tedge-p11-server.toml.
 *
 * Those programs write tedge.toml and mapper.toml without keys they do not know, and with mode 0644.
 */
import { leavesOf, nameAt, type PlacedLayer, placesOf, type TomlPath, type TomlTable } from "./file-layer.ts"
import { type Found, layerOf } from "./layer.ts"
import type { SettingWarning, ValueSource } from "./refused-value.ts"
import { settingByKey } from "./setting-name.ts"

interface FileFacts {
  readonly path: string
  /** Base of relative paths in the file. */
  readonly directory: string
}

/** secrets.toml: PINs and passwords, named as in tedge.toml (`[device.cryptoki] pin`, `[c8y.profiles.p.device] key_pin`). */
export const secretsLayer = (tree: TomlTable, facts: FileFacts): PlacedLayer =>
  placed(tree, facts, (at) => {
    const name = nameAt(at)
    return name?.setting.secret === true ? name : undefined
  })

/** tedge-p11-server.toml: the settings of `[p11_server]`, with or without that table around them. */
export const p11ServerLayer = (tree: TomlTable, facts: FileFacts): PlacedLayer =>
  placed(tree, facts, (at) => {
    const key = ["p11_server", ...(at[0] === "p11_server" ? at.slice(1) : at)].join(".")
    if (key === "p11_server.rules") return "elsewhere"
    const setting = settingByKey(key)
    return setting && { setting, profile: undefined, spelling: "canonical" }
  })

const placed = (
  tree: TomlTable,
  { path, directory }: FileFacts,
  nameOf: (at: TomlPath) => Found["name"] | "elsewhere" | undefined
): PlacedLayer => {
  const source: ValueSource = { kind: "file", path }
  const found: Array<Found & { readonly at: TomlPath }> = []
  const warnings: Array<SettingWarning> = []
  for (const { at, value } of leavesOf(tree)) {
    const name = nameOf(at)
    const given = at.join(".")
    if (name === undefined) warnings.push({ kind: "unknown-key", key: given, source })
    else if (name !== "elsewhere") found.push({ at, given, name, value, source, directory })
  }
  const layer = layerOf(found)
  return { layer: { ...layer, warnings: [...warnings, ...layer.warnings] }, places: placesOf(found) }
}
