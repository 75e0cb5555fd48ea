/** Applies a change of a cloud's setting to its mapper.toml. Comments and unknown keys are kept. */
import { Effect } from "effect"
import { ConfigFileNotEditable } from "../../messages/config.ts"
import { type CloudProfile, cloudTypeKey, mapperLayer } from "../../messages/settings/file-layer.ts"
import type { Value } from "../../messages/settings/setting.ts"
import { fullKey, type SettingName } from "../../messages/settings/setting-name.ts"
import { editToml } from "../../platform/toml/toml-edit.ts"
import { parseToml } from "../../platform/toml/toml-file.ts"
import { tomlComments } from "../../platform/toml/toml-statements.ts"
import { type MapperFile, mapperFile } from "./cloud-files.ts"
import type { OpenConfig } from "./open-config.ts"
import { pruned } from "./prune-tables.ts"
import { type ConfigPlace, holdsSecret } from "./read-sources.ts"
import type { FileChange } from "./write-files.ts"

interface Change {
  readonly name: SettingName
  readonly section: CloudProfile
  readonly value: Value | undefined
}

export const editedMapper = (
  place: ConfigPlace,
  open: OpenConfig,
  { name, section, value }: Change
): Effect.Effect<FileChange, ConfigFileNotEditable> =>
  Effect.gen(function* () {
    const { path, text, file } = mapperText(place, open, section)
    const change = (after: string | undefined): FileChange => ({
      path,
      before: text,
      after,
      holdsSecret: secretIn(section)
    })
    const key = fullKey(name)
    const places = file?.places.get(key) ?? []
    if (value === undefined && places.length === 0) return change(text)
    const at = name.setting.key.split(".").slice(1)
    const older = places.filter((one) => one.join(".") !== at.join("."))
    const result = editToml(text ?? "", [
      { at: [cloudTypeKey], value: section.cloud },
      ...older.map((one) => ({ at: one, value: undefined })),
      { at, value }
    ])
    if (result.kind === "refused") return yield* new ConfigFileNotEditable({ path, key, detail: result.detail })
    if (value !== undefined) return change(result.text)
    const left = pruned(result, at)
    // Without a file of the cloud an ignored table in tedge.toml would take effect again.
    return change(isWithoutContent(left.text) && !open.clouds[section.cloud].ignoredTable ? undefined : left.text)
  })

/** Nothing but `cloud_type`, and no comment. */
export const isWithoutContent = (text: string): boolean => {
  const parsed = parseToml(text)
  return (
    parsed.kind === "tree" &&
    Object.keys(parsed.tree).every((key) => key === cloudTypeKey) &&
    tomlComments(text).length === 0
  )
}

export const mapperText = (
  place: ConfigPlace,
  { clouds }: OpenConfig,
  section: CloudProfile
): { readonly path: string; readonly text: string | undefined; readonly file: MapperFile | undefined } => {
  const file = clouds[section.cloud].files.find(({ profile }) => profile === section.profile)
  return { path: mapperFile(place.configDir, section), text: file?.text, file }
}

/** Whether a text of the section's mapper.toml contains a PIN or a password. */
export const secretIn =
  (section: CloudProfile) =>
  (text: string): boolean => {
    const parsed = parseToml(text)
    return parsed.kind === "tree" && holdsSecret(mapperLayer(parsed.tree, section, { path: "", directory: "/" }).layer)
  }
