/**
 * Applies a change of a setting to the file that thin-edge's own programs read: mapper.toml or tedge.toml.
 *
 * Renames old keys of a version 1 tedge.toml at the same time.
 */
import { Effect } from "effect"
import { ConfigFileNotEditable } from "../../messages/config.ts"
import { type CloudProfile, fileLayer } from "../../messages/settings/file-layer.ts"
import type { Value } from "../../messages/settings/setting.ts"
import { fullKey, type SettingName, sectionOf } from "../../messages/settings/setting-name.ts"
import { commentsAt, editToml, type TomlComments, type TomlEdit } from "../../platform/toml/toml-edit.ts"
import { parseToml } from "../../platform/toml/toml-file.ts"
import { editedMapper } from "./edit-mapper-file.ts"
import type { OpenConfig } from "./open-config.ts"
import { pruned } from "./prune-tables.ts"
import { type ConfigPlace, holdsSecret, type ReadFile } from "./read-sources.ts"
import type { FileChange } from "./write-files.ts"

/** The section of the cloud, if its settings are in a mapper.toml. */
export const mapperSection = ({ clouds }: OpenConfig, name: SettingName): CloudProfile | undefined => {
  const section = sectionOf(fullKey(name))
  return section !== undefined && clouds[section.cloud].layout === "mapper.toml" ? section : undefined
}

/** `value` undefined: the setting is removed. */
export const sharedChange = (
  place: ConfigPlace,
  open: OpenConfig,
  name: SettingName,
  value: Value | undefined
): Effect.Effect<FileChange, ConfigFileNotEditable> => {
  const section = mapperSection(open, name)
  return section === undefined
    ? Effect.map(edited(open.file, name, value), (text) => tedgeChange(open, text))
    : editedMapper(place, open, { name, section, value })
}

export const tedgeChange = ({ file: { path, text } }: OpenConfig, after: string): FileChange => ({
  path,
  before: text,
  after: after === "" && text === undefined ? undefined : after,
  holdsSecret: (content) => {
    const parsed = parseToml(content)
    const layer = parsed.kind === "tree" ? fileLayer(parsed.tree, path, "/") : undefined
    return layer?.kind === "layer" && holdsSecret(layer.layer)
  }
})

const edited = (
  file: ReadFile,
  name: SettingName,
  value: Value | undefined
): Effect.Effect<string, ConfigFileNotEditable> =>
  Effect.gen(function* () {
    const key = fullKey(name)
    const refused = (detail: string) => Effect.fail(new ConfigFileNotEditable({ path: file.path, key, detail }))
    if (value === undefined && !file.layer.places.has(key)) return file.text ?? ""
    const at = key.split(".")
    const migration = migrationEdits(file)
    if (migration === undefined) return yield* refused("a value of an older version cannot be kept")
    const elsewhere = (file.layer.places.get(key) ?? []).filter((place) => place.join(".") !== key)
    const older = elsewhere.filter((place) => !migration.some((edit) => edit.at === place))
    const edits = [...migration, ...older.map((place) => ({ at: place, value: undefined })), { at, value }]
    const result = editToml(file.text ?? "", edits)
    if (result.kind === "refused") return yield* refused(result.detail)
    // An emptied profile is removed.
    return value === undefined && name.profile !== undefined ? pruned(result, at).text : result.text
  })

/** Undefined: the file contains a value of a type that no setting has. */
export const migrationEdits = ({ text = "", layer }: ReadFile): ReadonlyArray<TomlEdit> | undefined => {
  const version: TomlEdit = { at: ["config", "version"], value: "2" }
  if (layer.renames.length === 0) return text.trim() === "" ? [version] : []
  const moved = layer.renames.flatMap(
    ({ from, to, value }): ReadonlyArray<TomlEdit | undefined> => [
      { at: from, value: undefined },
      isWritable(value) ? { at: to, value, comments: behindOnly(commentsAt(text, from)) } : undefined
    ]
  )
  const edits = moved.filter((edit) => edit !== undefined)
  return edits.length === moved.length ? [...edits, version] : undefined
}

/** The lines above are kept. */
const behindOnly = ({ behind }: TomlComments): TomlComments => ({ above: [], behind })

const isWritable = (value: unknown): value is Value =>
  ["string", "boolean", "number"].includes(typeof value) ||
  (Array.isArray(value) && value.every((member) => typeof member === "string"))
